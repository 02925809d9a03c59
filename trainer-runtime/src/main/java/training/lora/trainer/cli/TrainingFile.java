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
            arity = "0..1",
            paramLabel = "FILE",
            description =
                    "A LoraTraining in YAML, or a run spec; or a configuration of Eden's trainer, kohya's sd-scripts, OneTrainer or ai-toolkit, as convert-config reads it.")
    private @Nullable Path file;

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

    private Path file() {
        Path given = file != null ? file : config;
        if (given == null || (file != null && config != null)) {
            throw new TrainerException(Reason.Usage, "FILE must be given, once");
        }
        return given;
    }

    /** The folder that its paths begin in. */
    @Nullable Path folder() {
        return file().toAbsolutePath().getParent();
    }

    /**
     * Reads it.
     *
     * @throws TrainerException InvalidConfiguration with every problem that was found
     */
    RunSpecs.Loaded load() {
        Path given = file();
        Converted converted =
                ForeignConfig.read(given, from, given.toAbsolutePath().resolveSibling(""));
        if (converted == null) {
            if (given.toString().endsWith(".json") && Files.isRegularFile(given)) {
                // As YAML some of what is no JSON can be read, and what is then said of it isn't the reason.
                Conversion.requireReadable(given);
            }
            return RunSpecs.load(given, settings);
        }
        ForeignConfig.warn(converted);
        return ForeignConfig.load(converted, given, settings);
    }
}
