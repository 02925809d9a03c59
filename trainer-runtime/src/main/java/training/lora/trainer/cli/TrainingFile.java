package training.lora.trainer.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
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
                    "A LoraTraining in YAML, or a run spec; or a configuration of Eden's trainer, kohya's sd-scripts, OneTrainer or ai-toolkit, as convert-config reads it, of kohya's also two files; or, behind --, a command line of one of kohya's scripts.")
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

    private TrainingWords given() {
        return new TrainingWords(words, config, from);
    }

    /** The folder that its paths begin in. */
    Path folder() {
        return given().folder();
    }

    /**
     * Reads it.
     *
     * @throws TrainerException InvalidConfiguration with every problem that was found
     */
    RunSpecs.Loaded load() {
        TrainingWords given = given();
        Converted converted = given.converted(given.folder());
        if (converted == null) {
            return loaded(given.file());
        }
        ForeignConfig.warn(converted);
        return ForeignConfig.load(converted, Path.of(converted.file()), settings);
    }

    private RunSpecs.Loaded loaded(Path file) {
        try {
            return RunSpecs.load(file, settings);
        } catch (TrainerException e) {
            if (file.toString().endsWith(".json") && Files.isRegularFile(file)) {
                // As YAML some of what is no JSON can be read, and what is then said of it isn't the reason.
                Conversion.requireReadable(file);
            }
            throw e;
        }
    }
}
