package training.lora.trainer.cli;

import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.TrainerException;
import training.lora.trainer.convert.Conversion;
import training.lora.trainer.convert.Converted;
import training.lora.trainer.convert.Places;
import training.lora.trainer.convert.Tool;
import training.lora.trainer.run.RunSpecs;

/** What commands do with configurations of other trainers. */
final class ForeignConfig {
    static final String FROM =
            "Whose configuration FILE is: eden, kohya, onetrainer or ai-toolkit; or the script of kohya's that it is for,"
                    + " such as train_db.py. Default: as its keys tell.";

    private ForeignConfig() {}

    /**
     * What {@code file} asks for; null where it is of no other trainer.
     *
     * @param from the trainer's name, or a script's of kohya's; null where the keys tell
     * @param folder where the resource will stand; its paths begin there
     */
    static @Nullable Converted read(Path file, @Nullable String from, Path folder) {
        if (from != null) {
            return Conversion.convert(from, file, places(folder));
        }
        Tool tool = Conversion.recognise(file);
        return tool == null ? null : Conversion.convert(tool, file, places(folder));
    }

    /** Paths begin where this process does, and in {@code folder} in what is made of them. */
    static Places places(Path folder) {
        return new Places(Path.of("").toAbsolutePath(), folder.toAbsolutePath().normalize());
    }

    /** Tells what has no effect. */
    static void warn(Converted converted) {
        for (String warning : converted.warnings()) {
            System.err.println(converted.file() + ": " + warning);
        }
    }

    /**
     * The run that it is.
     *
     * @throws TrainerException InvalidConfiguration with every problem, by the names that the file has for fields
     */
    static RunSpecs.Loaded load(Converted converted, Path file, List<String> settings) {
        try {
            return RunSpecs.load(file, converted.training(), settings);
        } catch (TrainerException e) {
            throw new TrainerException(e.reason(), converted.inItsWords(String.valueOf(e.getMessage())), e);
        }
    }
}
