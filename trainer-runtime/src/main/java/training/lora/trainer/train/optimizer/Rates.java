package training.lora.trainer.train.optimizer;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * The learning rates of a step.
 *
 * @param step steps done before
 * @param groups those of a table's groups, in their order
 */
public record Rates(int step, List<Group> groups) {
    public Rates {
        groups = List.copyOf(groups);
    }

    /**
     * A group's.
     *
     * @param rate before the group's factor
     * @param step steps that the group made before
     * @param moving whether it moves at all; where it doesn't, its weights and all that is kept of them stay as they are,
     *     which they don't at a rate of 0
     */
    public record Group(double rate, int step, boolean moving) {}

    /** One rate for each of {@code groups} groups, which have moved since the first step. */
    public static Rates constant(int step, double rate, int groups) {
        return new Rates(step, Collections.nCopies(groups, new Group(rate, step, true)));
    }

    /**
     * Those of step {@code k}, from 0, by the groups' schedules.
     *
     * @param factor what the rates of all are multiplied by
     * @param steps of the training
     */
    static Rates of(ParameterTable table, int k, double factor, int steps) {
        List<Group> groups = new ArrayList<>();
        for (ParameterGroup group : table.groups()) {
            int first = group.first(steps);
            LearningRateSchedule schedule =
                    new LearningRateSchedule(group.rate(), group.schedule(), Math.max(1, steps - first));
            boolean moving = k >= first && k < group.end(steps);
            groups.add(new Group(moving ? factor * schedule.at(k - first) : 0, Math.max(0, k - first), moving));
        }
        return new Rates(k, groups);
    }

    /** Whether any group moves. */
    public boolean moving() {
        return groups.stream().anyMatch(Group::moving);
    }
}
