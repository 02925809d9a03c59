package training.lora.trainer.train.optimizer;

import java.util.List;

/**
 * The learning rates of all steps of a training.
 *
 * @param tables of its optimizers
 * @param steps in all
 */
public record LearningRates(List<ParameterTable> tables, int steps) {
    public LearningRates {
        tables = List.copyOf(tables);
    }

    /**
     * Those of step {@code k}, from 0, for each optimizer.
     *
     * @param factor what all are multiplied by
     */
    public List<Rates> at(int k, double factor) {
        return tables.stream().map(table -> Rates.of(table, k, factor, steps)).toList();
    }

    /** Of each optimizer, how many steps are done in the middle of those in which it moves. */
    public List<Integer> middles() {
        return tables.stream()
                .map(table -> {
                    int first = table.groups().stream()
                            .mapToInt(group -> group.first(steps))
                            .min()
                            .orElse(0);
                    int end = table.groups().stream()
                            .mapToInt(group -> group.end(steps))
                            .max()
                            .orElse(steps);
                    return first + Math.max(1, (end - first) / 2);
                })
                .toList();
    }

    /** The one that is shown: of the first group of the first optimizer, before its factor. */
    public double shown(int k, double factor) {
        return shown(0, k, factor);
    }

    /** The same of an optimizer, from 0. */
    public double shown(int optimizer, int k, double factor) {
        return at(k, factor).get(optimizer).groups().get(0).rate();
    }
}
