package training.lora.trainer.train.optimizer;

import java.util.ArrayList;
import java.util.List;
import java.util.function.ToLongFunction;
import java.util.stream.Collectors;

/**
 * Parts of runs that are moved at a time, as lists of numbers in TorchScript.
 *
 * @param runs tiles, in the array's order
 */
record Tiles(List<ParameterTable.Run> runs) {
    Tiles {
        runs = List.copyOf(runs);
    }

    /** Of {@code runs}, each divided from its beginning into tiles of {@code size}. */
    static Tiles of(List<ParameterTable.Run> runs, int size) {
        List<ParameterTable.Run> tiles = new ArrayList<>();
        for (ParameterTable.Run run : runs) {
            for (long begin = run.begin(); begin < run.end(); begin += size) {
                tiles.add(new ParameterTable.Run(run.group(), begin, Math.min(run.end(), begin + size)));
            }
        }
        return new Tiles(tiles);
    }

    int count() {
        return runs.size();
    }

    /** Where each begins. */
    String starts() {
        return list(ParameterTable.Run::begin);
    }

    /** Where each ends. */
    String ends() {
        return list(ParameterTable.Run::end);
    }

    /** Where its group's numbers begin, of which there are {@code own} behind {@code shared} others. */
    String groups(int shared, int own) {
        return list(run -> shared + (long) own * run.group());
    }

    private String list(ToLongFunction<ParameterTable.Run> number) {
        return runs.stream().map(run -> Long.toString(number.applyAsLong(run))).collect(Collectors.joining(", "));
    }
}
