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
            arity = "0..1",
            paramLabel = "FILE",
            description = "training_args.json, a TOML file, a JSON file of OneTrainer or a YAML file of ai-toolkit.")
    private @Nullable Path file;

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
        Path given = file != null ? file : config;
        if (given == null || (file != null && config != null)) {
            throw new TrainerException(Reason.Usage, "FILE must be given, once");
        }
        Path target = out == null ? null : out.toAbsolutePath().normalize();
        if (target != null && Files.exists(target)) {
            throw new TrainerException(
                    Reason.InvalidConfiguration, "--out must not exist yet, but there is a " + target);
        }
        Path folder = target == null ? Path.of("").toAbsolutePath() : target.resolveSibling("");
        Converted converted = ForeignConfig.read(given, from, folder);
        if (converted == null) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "%s must have keys of eden, kohya, onetrainer or ai-toolkit; --from says whose it is"
                            .formatted(given));
        }
        ForeignConfig.warn(converted);
        ForeignConfig.load(converted, given, List.of());
        if (target == null) {
            System.out.print(converted.yaml());
        } else {
            Folders.requireWritable("--out", folder);
            Files.writeString(target, converted.yaml());
            System.out.println(out);
        }
        return 0;
    }
}
