package training.lora.trainer.cli;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import training.lora.api.Reason;
import training.lora.api.RunSpec;
import training.lora.trainer.TrainerException;
import training.lora.trainer.prepare.CaptionReview;

/** {@code together}: several runs in one process, which hold the base model once. */
@Command(
        name = "together",
        mixinStandardHelpOptions = true,
        description =
                "Runs several trainings on one base model in one process: they take turns step by step, and each comes to"
                        + " what it comes to alone. One that fails leaves the others.")
final class TogetherCommand implements Callable<Integer> {
    @Parameters(
            arity = "1..*",
            paramLabel = "FILE",
            description = "As run has it; of each its name is that of its workspace, and must be another.")
    private List<Path> files = new ArrayList<>();

    @Option(
            names = "--workspaces",
            paramLabel = "DIR",
            defaultValue = "runs",
            description = "The folder of their workspaces; default: runs.")
    private Path workspaces = Path.of("runs");

    @Option(
            names = "--set",
            paramLabel = "FIELD=VALUE",
            description = "Replaces a field under spec in each, as run does; may be repeated.")
    private List<String> settings = new ArrayList<>();

    @Mixin
    private DeviceOption device = new DeviceOption();

    private final Function<String, @Nullable String> environment;

    TogetherCommand(Function<String, @Nullable String> environment) {
        this.environment = environment;
    }

    /** How a run ended; {@code failure} is null where it did as it should. */
    private record Ended(int code, @Nullable TrainerException failure) {}

    @Override
    public Integer call() throws InterruptedException {
        Map<String, Ended> ended = new LinkedHashMap<>();
        try (NDManager root = device.choose().newManager();
                Turns turns =
                        new Turns(root, workspaces.toAbsolutePath().normalize().resolve(".digests.json"))) {
            Map<String, RunCommand> runs = runs(turns);
            List<Thread> threads = new ArrayList<>();
            runs.forEach((name, run) -> {
                ended.put(name, new Ended(0, null));
                Thread thread = new Thread(() -> ended.replace(name, ended(turns, run)), name);
                threads.add(thread);
            });
            turns.start(threads);
            for (Thread thread : threads) {
                thread.join();
            }
        }
        int code = 0;
        for (Map.Entry<String, Ended> run : ended.entrySet()) {
            TrainerException failure = run.getValue().failure();
            System.out.printf("%s: %s%n", run.getKey(), failure == null ? "done" : failure.getMessage());
            code = code == 0 ? run.getValue().code() : code;
        }
        return code;
    }

    private static Ended ended(Turns turns, RunCommand run) {
        turns.begin();
        try {
            return new Ended(run.call(), null);
        } catch (Exception | Error e) {
            TrainerException failure = Failures.classify(e);
            if (failure.reason() == Reason.InternalError) {
                e.printStackTrace();
            }
            return new Ended(failure.reason().exitCode(), failure);
        } finally {
            leaveLog();
            turns.end();
        }
    }

    private static void leaveLog() {
        try {
            RunLog.leave();
        } catch (IOException e) {
            System.err.println("the log could not be closed: " + e);
        }
    }

    /** A run for each file, by its name. */
    private Map<String, RunCommand> runs(Turns turns) {
        Map<String, RunCommand> runs = new LinkedHashMap<>();
        for (Path file : files) {
            List<String> arguments = new ArrayList<>(List.of(file.toString(), "--device", device.wanted()));
            settings.forEach(setting -> arguments.addAll(List.of("--set", setting)));
            RunSpec wanted =
                    command(arguments, turns, System.out).training().load().run();
            String name = wanted.owner().name();
            if (CaptionReview.pauses(wanted.spec())) {
                throw new TrainerException(
                        Reason.InvalidConfiguration,
                        "`spec.preparation.captions.pauseForReview` must be false in trainings that run together, but is true in %s"
                                .formatted(file));
            }
            arguments.addAll(List.of("--workspace", workspaces.resolve(name).toString()));
            if (runs.put(name, command(arguments, turns, NamedLines.of(name, System.out))) != null) {
                throw new TrainerException(
                        Reason.InvalidConfiguration,
                        "`metadata.name` must be another in each of the trainings that run together, but %s is there twice"
                                .formatted(name));
            }
        }
        return runs;
    }

    private RunCommand command(List<String> arguments, Turns turns, PrintStream out) {
        return CommandLine.populateCommand(new RunCommand(environment, turns, out), arguments.toArray(String[]::new));
    }
}
