package training.lora.trainer.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.convert.Conversion;
import training.lora.trainer.convert.Converted;
import training.lora.trainer.files.Folders;

/** {@code convert-config}: writes a configuration of another trainer as a LoraTraining. */
@Command(
        name = "convert-config",
        mixinStandardHelpOptions = true,
        description = "Writes a configuration of Eden's trainer, kohya's sd-scripts, OneTrainer or ai-toolkit as a"
                + " LoraTraining, and says what of it has no effect here. Relative paths in it begin where this command"
                + " is run, as they do in those tools.")
final class ConvertConfigCommand implements Callable<Integer> {
    @Parameters(
            arity = "0..*",
            paramLabel = "FILE",
            description =
                    "Eden's training_args.json, a JSON file of OneTrainer, a YAML file of ai-toolkit, a TOML file of"
                            + " kohya's and, where it is another one, that for --dataset_config, or a shell script with a"
                            + " command line of one of kohya's; or, behind --, such a command line.")
    private List<String> words = List.of();

    @Option(names = "-c", paramLabel = "FILE", description = "The same.")
    private @Nullable Path config;

    @Option(names = "--from", paramLabel = "TOOL", description = ForeignConfig.FROM)
    private @Nullable String from;

    @Option(
            names = {"-o", "--out"},
            paramLabel = "FILE",
            description = "Where the LoraTraining goes; default: standard output, with paths as seen from here.")
    private @Nullable Path out;

    @Override
    public Integer call() throws IOException {
        Path target = out == null ? null : out.toAbsolutePath().normalize();
        if (target != null && Files.exists(target)) {
            throw new TrainerException(
                    Reason.InvalidConfiguration, "--out must not exist yet, but there is a " + target);
        }
        Path folder = target == null ? Path.of("").toAbsolutePath() : target.resolveSibling("");
        Converted converted = converted(folder);
        ForeignConfig.warn(converted);
        ForeignConfig.load(converted, Path.of(converted.file()), List.of());
        if (target == null) {
            System.out.print(converted.yaml());
        } else {
            Folders.create("--out", folder);
            Files.writeString(target, converted.yaml());
            System.out.println(out);
        }
        return 0;
    }

    private Converted converted(Path folder) {
        TrainingWords given = new TrainingWords(words, config, from);
        Converted converted = given.converted(folder);
        if (converted == null) {
            Path file = given.file();
            Conversion.requireReadable(file);
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "%s must have keys of eden, kohya, onetrainer or ai-toolkit; --from says whose it is"
                            .formatted(file));
        }
        return converted;
    }
}
