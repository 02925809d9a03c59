package training.lora.trainer.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.api.Reason;
import training.lora.trainer.Names;
import training.lora.trainer.TrainerException;
import training.lora.trainer.convert.Conversion;
import training.lora.trainer.convert.Converted;

/**
 * What a command is given as a training: a file, two TOML files of kohya's, of which the second is for {@code --dataset_config}, or
 * a command line of one of kohya's scripts.
 *
 * @param words the command's arguments
 * @param config the file that {@code -c} names; null for none
 * @param from whose configuration it is, as {@code --from} says; null where its keys tell
 */
record TrainingWords(
        List<String> words, @Nullable Path config, @Nullable String from) {
    private static final int NAMED = 5;

    private boolean isLine() {
        return config == null && Conversion.isCommandLine(words);
    }

    private boolean isPair() {
        return config == null && words.size() == 2 && words.stream().allMatch(word -> word.endsWith(".toml"));
    }

    /**
     * The file; of two the first.
     *
     * @throws TrainerException Usage if there is none, or there are others, with all
     */
    Path file() {
        List<String> given = new ArrayList<>(words);
        if (config != null) {
            given.add(0, config.toString());
        }
        if (given.isEmpty()) {
            throw new TrainerException(Reason.Usage, "FILE must be given, once");
        }
        if (given.size() > 1 && !isPair()) {
            throw new TrainerException(
                    Reason.Usage, "FILE must be given, once, but there are " + Names.some(given, NAMED));
        }
        return Path.of(given.get(0));
    }

    /** The folder that relative paths in it begin in where it is run as it is: this process's for a command line. */
    Path folder() {
        Path here = Path.of("").toAbsolutePath();
        return isLine() ? here : here.resolve(file()).resolveSibling("");
    }

    /**
     * What it asks for; null where it is a file of no other trainer.
     *
     * @param folder where the resource will stand; its paths begin there
     */
    @Nullable Converted converted(Path folder) {
        if (isLine()) {
            return Conversion.convert(from, words, ForeignConfig.places(folder));
        }
        return isPair()
                ? Conversion.convert(from, file(), Path.of(words.get(1)), ForeignConfig.places(folder))
                : ForeignConfig.read(file(), from, folder);
    }
}
