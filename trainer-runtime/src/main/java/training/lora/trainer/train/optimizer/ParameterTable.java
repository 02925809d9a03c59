package training.lora.trainer.train.optimizer;

import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.List;

/**
 * What lies in an optimizer's flat array of parameters: tensors, one behind the other without gaps, and their groups.
 *
 * @param tensors in the array's order
 * @param groups each of which has a tensor
 */
public record ParameterTable(List<ParameterTensor> tensors, List<ParameterGroup> groups) {
    public ParameterTable {
        tensors = List.copyOf(tensors);
        groups = List.copyOf(groups);
        long end = 0;
        for (ParameterTensor tensor : tensors) {
            if (tensor.offset() != end || tensor.group() < 0 || tensor.group() >= groups.size()) {
                throw new IllegalArgumentException("%s must begin at %d in one of %d groups, but it is %s"
                        .formatted(tensor.name(), end, groups.size(), tensor));
            }
            end = tensor.end();
        }
        for (int group = 0; group < groups.size(); group++) {
            int wanted = group;
            if (tensors.stream().noneMatch(tensor -> tensor.group() == wanted)) {
                throw new IllegalArgumentException("group %d must have a tensor".formatted(group));
            }
        }
    }

    /** One tensor without a shape to speak of, in one group. */
    public static ParameterTable single(long size, ParameterGroup group) {
        return new ParameterTable(List.of(new ParameterTensor("parameters", 0, new Shape(size), 0)), List.of(group));
    }

    /** Takes a group of a step. */
    interface GroupStep {
        /**
         * @param rate with the group's factor
         * @param step steps of the group, from 1
         */
        void take(ParameterGroup group, double rate, int step);
    }

    /** Goes through the groups in their order. */
    void each(Rates rates, GroupStep taker) {
        for (int i = 0; i < groups.size(); i++) {
            Rates.Group own = rates.groups().get(i);
            taker.take(groups.get(i), groups.get(i).factor() * own.rate(), own.step() + 1);
        }
    }

    /** Numbers in all. */
    long size() {
        return tensors.isEmpty() ? 0 : tensors.get(tensors.size() - 1).end();
    }

    /**
     * Neighbours in the array that are of one group.
     *
     * @param begin where they begin
     * @param end where they end
     */
    record Run(int group, long begin, long end) {
        long size() {
            return end - begin;
        }

        /** TorchScript of its part of {@code x} (n), a view. */
        String of(String x) {
            return "torch.slice(%s, 0, %d, %d)".formatted(x, begin, end);
        }
    }

    /** All of the array, in its order, in as few runs as there can be. */
    List<Run> runs() {
        List<Run> runs = new ArrayList<>();
        for (ParameterTensor tensor : tensors) {
            Run last = runs.isEmpty() ? null : runs.get(runs.size() - 1);
            if (last != null && last.group() == tensor.group()) {
                runs.set(runs.size() - 1, new Run(last.group(), last.begin(), tensor.end()));
            } else {
                runs.add(new Run(tensor.group(), tensor.offset(), tensor.end()));
            }
        }
        return runs;
    }

    /** {@code runs} with neighbours put together, whatever their groups, for what is asked of no group. */
    static List<Run> joined(List<Run> runs) {
        List<Run> joined = new ArrayList<>();
        for (Run run : runs) {
            Run last = joined.isEmpty() ? null : joined.get(joined.size() - 1);
            if (last != null && last.end() == run.begin()) {
                joined.set(joined.size() - 1, new Run(last.group(), last.begin(), run.end()));
            } else {
                joined.add(run);
            }
        }
        return joined;
    }
}
