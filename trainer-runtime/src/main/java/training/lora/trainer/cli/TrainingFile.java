package training.lora.trainer.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.convert.Conversion;
import training.lora.trainer.convert.Converted;
import training.lora.trainer.run.RunSpecs;

/** The file that says what is to be trained: a LoraTraining, a run spec, or a configuration of another trainer. */
final class TrainingFile {
    @Parameters(
            arity = "0..*",
            paramLabel = "FILE",
            description =
                    "A LoraTraining in YAML, or a run spec; or a configuration of Eden's trainer, kohya's sd-scripts, OneTrainer or ai-toolkit, as convert-config reads it; or, behind --, a command line of one of kohya's scripts.")
    private List<String> words = new ArrayList<>();

    @Option(names = "-c", paramLabel = "FILE", description = "The same.")
    private @Nullable Path config;

    @Option(names = "--from", paramLabel = "TOOL", description = ForeignConfig.FROM)
    private @Nullable String from;

    @Option(
            names = "--set",
            paramLabel = "FIELD=VALUE",
            description =
                    "Replaces a field under spec, such as training.steps=20, datasets[0].uri=pictures or, by its name, datasets[main].uri=pictures; may be repeated.")
    private List<String> settings = new ArrayList<>();

    List<String> settings() {
        return settings;
    }

    /** Whether it is no file, but a command line. */
    private boolean line() {
        return words.size() > 1 && words.stream().anyMatch(word -> word.startsWith("--"));
    }

    private Path file() {
        Path given = words.size() == 1 ? Path.of(words.get(0)) : config;
        if (given == null || words.size() > 1 || (!words.isEmpty() && config != null)) {
            throw new TrainerException(Reason.Usage, "FILE must be given, once");
        }
        return given;
    }

    /** The folder that its paths begin in. */
    @Nullable Path folder() {
        return line() ? Path.of("").toAbsolutePath() : file().toAbsolutePath().getParent();
    }

    /**
     * Reads it.
     *
     * @throws TrainerException InvalidConfiguration with every problem that was found
     */
    RunSpecs.Loaded load() {
        if (line() && config == null && from == null) {
            Converted converted = Conversion.convert(words, ForeignConfig.places(Path.of("")));
            ForeignConfig.warn(converted);
            return ForeignConfig.load(converted, Path.of(converted.file()), settings);
        }
        Path given = file();
        Converted converted =
                ForeignConfig.read(given, from, given.toAbsolutePath().resolveSibling(""));
        if (converted == null) {
            try {
                return RunSpecs.load(given, settings);
            } catch (TrainerException e) {
                if (given.toString().endsWith(".json") && Files.isRegularFile(given)) {
                    // As YAML some of what is no JSON can be read, and what is then said of it isn't the reason.
                    Conversion.requireReadable(given);
                }
                throw e;
            }
        }
        ForeignConfig.warn(converted);
        return ForeignConfig.load(converted, given, settings);
    }
}
