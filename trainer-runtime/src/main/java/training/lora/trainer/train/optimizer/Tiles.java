package training.lora.trainer.train.optimizer;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
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

    /**
     * What fills the holes of a text that goes through them: {starts}, {ends} and {groups}, lists that tell of each tile
     * where it lies and where its group's numbers begin, and {count}, how many there are.
     *
     * @param shared numbers of a step before those of groups
     * @param own numbers of a step that each group has
     * @param more holes
     */
    Map<String, Object> values(int shared, int own, Map<String, ?> more) {
        Map<String, Object> values = new HashMap<>(more);
        values.put("starts", starts());
        values.put("ends", ends());
        values.put("groups", groups(shared, own));
        values.put("count", count());
        return values;
    }

    int count() {
        return runs.size();
    }

    /** Where each begins. */
    String starts() {
        return list(runs, ParameterTable.Run::begin);
    }

    /** Where each ends. */
    String ends() {
        return list(runs, ParameterTable.Run::end);
    }

    /** Where its group's numbers begin, of which there are {@code own} behind {@code shared} others. */
    String groups(int shared, int own) {
        return list(runs, run -> shared + (long) own * run.group());
    }

    /** A number of each of {@code things}, as a list's text without its brackets. */
    static <T> String list(List<T> things, ToLongFunction<T> number) {
        return things.stream()
                .map(thing -> Long.toString(number.applyAsLong(thing)))
                .collect(Collectors.joining(", "));
    }
}
