package training.lora.trainer.cli;

import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import training.lora.api.ProcessLocale;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/** {@code bin/lora-trainer}. */
@Command(
        name = "lora-trainer",
        mixinStandardHelpOptions = true,
        version = "lora-trainer 0.1.0",
        description = "Trains LoRAs for Stable Diffusion and measures them.",
        subcommands = {
            RunCommand.class,
            RunCommand.Prepare.class,
            RunCommand.Train.class,
            TogetherCommand.class,
            EvaluateCommand.class,
            SampleCommand.class,
            InspectCommand.class,
            ExportCommand.class,
            MergeCommand.class,
            ResizeCommand.class,
            ExtractCommand.class,
            ConvertConfigCommand.class,
            VerifyRealCommand.class,
            CommandLine.HelpCommand.class
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  lora-trainer run examples/blue-ink/training.yaml",
            "  lora-trainer run my.yaml --workspace /data/my --set training.steps=200",
            "  lora-trainer sample --base bundled://emoji-sd --lora my.safetensors \\",
            "      --prompt \"an emoji of a pear\" --out .",
            "  lora-trainer inspect my.safetensors",
            "  lora-trainer export my.safetensors --to diffusers",
            "  lora-trainer merge --base sd15.safetensors --lora my.safetensors=0.8 --out mine.safetensors",
            "  lora-trainer resize my.safetensors --rank 8 --out small.safetensors",
            "  lora-trainer run training_args.json",
            "  lora-trainer convert-config training_args.json -o my.yaml",
            "  lora-trainer verify-real --base stable-diffusion-v1-5 --data pictures",
            "",
            "Exit codes: 0 done; 1 a fault of this program; 2 wrong usage;",
            "10 configuration, 11 data, 12 base model, 13 diverged training (retrying can't",
            "help); 20 source unreachable, 21 storage full, 22 out of memory, 23 workspace",
            "in use; 75 asked to stop: the same command goes on."
        })
public final class Main {
    @Option(
            names = "--verbose",
            scope = CommandLine.ScopeType.INHERIT,
            description = "Prints where a failure came from, not only what it is.")
    private boolean verbose;

    private Main() {}

    /** Runs the command line and ends the process with its exit code. */
    public static void main(String[] arguments) {
        ProcessLocale.makeNeutral();
        String problem = ProcessLocale.problem();
        if (problem != null) {
            System.err.println("lora-trainer: " + problem);
            System.exit(Reason.InvalidConfiguration.exitCode());
        }
        Shutdown.handleSignals();
        int code;
        try {
            code = execute(arguments);
        } catch (Error e) {
            e.printStackTrace();
            code = Failures.classify(e).reason().exitCode();
        }
        System.exit(code);
    }

    static int execute(String... arguments) {
        return execute(System::getenv, arguments);
    }

    /** @param environment the process's variables */
    static int execute(Function<String, @Nullable String> environment, String... arguments) {
        Main main = new Main();
        CommandLine line = new CommandLine(main, new Commands(environment));
        line.setCaseInsensitiveEnumValuesAllowed(true);
        line.setExecutionExceptionHandler((e, command, parsed) -> {
            TrainerException failure = Failures.classify(e);
            command.getErr().println("lora-trainer: " + failure.getMessage());
            if (main.verbose || failure.reason() == Reason.InternalError) {
                e.printStackTrace(command.getErr());
            }
            return failure.reason().exitCode();
        });
        if (arguments.length == 0) {
            line.usage(System.err);
            return Reason.Usage.exitCode();
        }
        return line.execute(arguments);
    }
}
