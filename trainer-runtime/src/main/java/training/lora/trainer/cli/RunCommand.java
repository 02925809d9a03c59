package training.lora.trainer.cli;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.io.PrintStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import training.lora.api.Manifest;
import training.lora.api.ProgressMessage;
import training.lora.api.Reason;
import training.lora.api.RunSpec;
import training.lora.api.Stage;
import training.lora.api.StageResult;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.Folders;
import training.lora.trainer.prepare.CaptionReview;
import training.lora.trainer.prepare.FinishedRun;
import training.lora.trainer.prepare.PrepareStage;
import training.lora.trainer.publish.Output;
import training.lora.trainer.publish.Publisher;
import training.lora.trainer.report.Console;
import training.lora.trainer.report.JsonLines;
import training.lora.trainer.report.Push;
import training.lora.trainer.report.ResultFiles;
import training.lora.trainer.run.Destination;
import training.lora.trainer.run.FetchProgress;
import training.lora.trainer.run.Neighbours;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.run.RunSpecs;
import training.lora.trainer.run.Workspace;
import training.lora.trainer.run.WorkspaceLock;
import training.lora.trainer.source.Cache;
import training.lora.trainer.source.Fetcher;
import training.lora.trainer.source.Remote;
import training.lora.trainer.source.Source;
import training.lora.trainer.source.Sources;
import training.lora.trainer.source.Surroundings;
import training.lora.trainer.source.Unpacker;
import training.lora.trainer.track.Ending;
import training.lora.trainer.track.Trackers;

/** {@code run}: prepare, train and evaluate; and each of these alone. */
@Command(name = "run", mixinStandardHelpOptions = true, description = "Prepares, trains and evaluates.")
class RunCommand implements Callable<Integer> {
    @Mixin
    private TrainingFile training = new TrainingFile();

    @Option(names = "--workspace", paramLabel = "DIR", description = "Where it works; default: runs/<name>.")
    private @Nullable Path workspace;

    @Option(
            names = "--output",
            paramLabel = "DIR",
            description = "Where it publishes; default: what spec.output.uri names, else output in the workspace.")
    private @Nullable Path output;

    @Option(
            names = "--reviewed",
            description =
                    "Goes on where spec.preparation.captions.pauseForReview is true: captions.jsonl in the output is as it should be.")
    private boolean reviewed;

    @Mixin
    private DeviceOption device = new DeviceOption();

    private final Function<String, @Nullable String> environment;

    @Option(names = "--attempt", paramLabel = "N", hidden = true, defaultValue = "1")
    private int attempt;

    private final Neighbours neighbours;
    private final PrintStream out;

    RunCommand(Function<String, @Nullable String> environment) {
        this(environment, Neighbours.NONE, System.out);
    }

    /**
     * @param neighbours runs beside this one
     * @param out where people read how it goes
     */
    RunCommand(Function<String, @Nullable String> environment, Neighbours neighbours, PrintStream out) {
        this.environment = environment;
        this.neighbours = neighbours;
        this.out = out;
    }

    Function<String, @Nullable String> environment() {
        return environment;
    }

    TrainingFile training() {
        return training;
    }

    DeviceOption device() {
        return device;
    }

    /** The stages to run. */
    List<Stage> stages() {
        return List.of(Stage.values());
    }

    @Override
    public Integer call() throws IOException {
        RunSpecs.Loaded loaded;
        try {
            loaded = training.load();
        } catch (TrainerException e) {
            leaveWord(e);
            throw e;
        }
        RunSpec run = loaded.run();
        requireReview(run);
        Path root = workspace != null
                ? workspace
                : Path.of("runs").resolve(run.owner().name());
        Path folder = root.toAbsolutePath().normalize();
        Sources local = Sources.of(environment, loaded.mounted() ? null : training.folder());
        try (Destination destination = destination(run, local)) {
            Workspace space = space(folder, destination);
            WorkspaceLock lock = open(space);
            try {
                return run(loaded, space);
            } finally {
                lock.close();
            }
        }
    }

    private void requireReview(RunSpec run) throws IOException {
        if (reviewed && !CaptionReview.pauses(run.spec())) {
            TrainerException wrong = new TrainerException(
                    Reason.InvalidConfiguration, "`--reviewed` needs `spec.preparation.captions.pauseForReview`");
            leaveWord(wrong);
            throw wrong;
        }
    }

    /** Where the spec wants the output, unless the command line says something else. */
    private @Nullable Destination destination(RunSpec run, Sources local) throws IOException {
        try {
            return output != null ? null : Destination.of(run.spec().output(), local, surroundings());
        } catch (TrainerException e) {
            leaveWord(e);
            throw e;
        }
    }

    private Workspace space(Path folder, @Nullable Destination destination) {
        Path published = output;
        if (published == null && destination != null) {
            published = destination.folder();
        }
        Path place = published == null
                ? folder.resolve("output")
                : published.toAbsolutePath().normalize();
        return new Workspace(folder, place, destination, neighbours.digests());
    }

    /** Sees to it that this process alone works in the workspace. */
    private WorkspaceLock open(Workspace space) throws IOException {
        try {
            space.requireApart();
            Folders.create("--workspace", space.root());
            space.requireWritableOutput();
            return WorkspaceLock.take(space.root());
        } catch (TrainerException e) {
            leaveWord(e);
            throw e;
        }
    }

    private int run(RunSpecs.Loaded loaded, Workspace space) throws IOException {
        RunSpec run = loaded.run();
        RunLog.open(space.log());
        Path relativeTo = loaded.mounted() ? null : training.folder();
        try (Push push = push();
                Trackers trackers = opened(() -> Trackers.of(run, stages(), space, surroundings()));
                NDManager manager = opened(() -> device.choose().newManager())) {
            Console console = new Console(out, neighbours == Neighbours.NONE && System.console() != null);
            JsonLines lines = new JsonLines(space.root().resolve("events.jsonl"));
            Consumer<ProgressMessage> sink = message -> {
                console.accept(message);
                lines.accept(message);
                trackers.accept(message);
                if (push != null) {
                    push.accept(message);
                }
            };
            boolean ran = false;
            for (Stage stage : stages()) {
                boolean complete;
                try (Remote remote = remote(stage, space, new FetchProgress(run, attempt, sink))) {
                    Sources sources = Sources.of(environment, relativeTo).with(remote, unpacker(space));
                    RunContext context =
                            new RunContext(run, attempt, space, sources, sink, surroundings(), manager, neighbours);
                    complete = stage(context, stage).alreadyComplete();
                } catch (TrainerException e) {
                    trackers.fails(e);
                    throw e;
                }
                if (complete) {
                    if (!ran) {
                        out.println(space.published() + " holds this run, finished: nothing to do");
                    }
                    break;
                }
                ran = true;
                if (stage == Stage.Prepare && waits(run)) {
                    out.printf(
                            "the captions wait for a look: %s; when they are as they should be, go on with --reviewed%n",
                            CaptionReview.place(run.owner(), space));
                    return 0;
                }
            }
            trackers.ends(Ending.Finished);
        }
        if (stages().size() > 1) {
            Manifest manifest = Output.published(run.owner(), space).manifest();
            Summary.print(Objects.requireNonNull(manifest), space.output(), space.published(), out);
        }
        return 0;
    }

    /** Whether nothing is trained until a person has looked at the captions. */
    private boolean waits(RunSpec run) {
        return CaptionReview.pauses(run.spec()) && !reviewed;
    }

    /** Prepare alone fetches. */
    private Remote remote(Stage stage, Workspace space, FetchProgress progress) {
        Cache cache = Cache.of(surroundings(), space.cache());
        return stage == Stage.Prepare
                ? new Fetcher(cache, space.fetched(), space::digests, surroundings(), progress)
                : space.fetched().in(cache);
    }

    private Unpacker unpacker(Workspace space) {
        return new Unpacker(Cache.of(surroundings(), space.cache()), space::digests, Shutdown::requested);
    }

    private <T> T opened(Supplier<T> opening) throws IOException {
        try {
            return opening.get();
        } catch (TrainerException e) {
            leaveWord(e);
            throw e;
        }
    }

    private Surroundings surroundings() {
        return new Surroundings(environment, Shutdown::requested);
    }

    /** A wrong run spec or device fails its pod before there is a run: the sentence still has to reach the condition. */
    private void leaveWord(TrainerException failure) throws IOException {
        Path message = resultFile();
        if (message != null && stages().size() == 1) {
            Files.write(message, ResultFiles.fit(Stages.failed("", stages().get(0), attempt, failure)));
        }
    }

    private static @Nullable Push push() {
        String url = System.getenv("LORA_PROGRESS_URL");
        String token = System.getenv("LORA_PROGRESS_TOKEN_FILE");
        String authorities = System.getenv("LORA_PROGRESS_CA_FILE");
        return url == null || token == null
                ? null
                : new Push(URI.create(url), Path.of(token), authorities == null ? null : Path.of(authorities));
    }

    private static @Nullable Path resultFile() {
        String file = System.getenv("LORA_RESULT_FILE");
        return file == null ? null : Path.of(file);
    }

    /** Sees to it, before anything is computed, that the output may be written to, and uploads what stands here alone. */
    private static void requireOwn(RunSpec run, Workspace space) throws IOException {
        Output.folder(run.owner(), space).requireOwn();
        if (space.destination() != null) {
            Output.published(run.owner(), space).take();
            new Publisher(run, space, Shutdown::requested).uploadFinished();
        }
    }

    /** What a failure says, by the names that the spec has for places. */
    private static TrainerException asWritten(RunContext context, TrainerException failure) {
        String message = String.valueOf(failure.getMessage());
        List<Source> named;
        try {
            named = context.everything();
        } catch (TrainerException e) {
            // The failure is that one.
            return failure;
        }
        String told = context.sources().asWritten(message, named);
        for (Source dataset : context.named().datasets()) {
            int index = context.named().datasets().indexOf(dataset);
            String name = context.run().spec().datasets().get(index).name();
            told = Sources.replaced(told, PrepareStage.unpacked(context.workspace(), name), dataset);
        }
        return told.equals(message) ? failure : new TrainerException(failure.reason(), told, failure);
    }

    /** A run that can't be prepared keeps no other one from the place: the fault may be in a name. */
    private static void release(RunContext context, TrainerException failure) {
        if (context.workspace().destination() == null) {
            return;
        }
        try {
            Output.published(context.run().owner(), context.workspace()).release();
        } catch (IOException | RuntimeException e) {
            failure.addSuppressed(e);
        }
    }

    /** Runs one stage and writes its result, on failure too. */
    private StageResult stage(RunContext context, Stage stage) throws IOException {
        Path folder = context.workspace().results().resolve(stage.name().toLowerCase(Locale.ROOT));
        StageResult result;
        boolean own = false;
        try {
            requireOwn(context.run(), context.workspace());
            own = true;
            FinishedRun.Found finished = FinishedRun.look(context, stage, reviewed);
            boolean waits = waits(context.run());
            // What a person is to look at first another process trains.
            boolean trains = stages().contains(Stage.Train) && !waits;
            if (finished.manifest() == null && stage == Stage.Train && waits) {
                throw new TrainerException(
                        Reason.InvalidConfiguration,
                        "the captions in %s must have been looked at (`spec.preparation.captions.pauseForReview`): go on with --reviewed when they are as they should be"
                                .formatted(CaptionReview.place(context.run().owner(), context.workspace())));
            }
            result = finished.manifest() != null
                    ? Stages.alreadyComplete(context, stage, finished.manifest(), finished.note())
                    : Stages.run(context, stage, trains, finished);
        } catch (IOException | RuntimeException | OutOfMemoryError e) {
            TrainerException failure = asWritten(context, Failures.classify(e));
            if (own && stage == Stage.Prepare && !failure.reason().retriable()) {
                release(context, failure);
            }
            try {
                ResultFiles.write(Stages.failed(context, stage, failure), folder, resultFile());
            } catch (IOException suppressed) {
                failure.addSuppressed(suppressed);
            }
            throw failure;
        }
        ResultFiles.write(result, folder, resultFile());
        return result;
    }

    /** {@code prepare}. */
    @Command(
            name = "prepare",
            mixinStandardHelpOptions = true,
            description = "Makes pictures, captions, latents and text embeddings ready.")
    static final class Prepare extends RunCommand {
        Prepare(Function<String, @Nullable String> environment) {
            super(environment);
        }

        @Override
        List<Stage> stages() {
            return List.of(Stage.Prepare);
        }
    }

    /** {@code train}. */
    @Command(
            name = "train",
            mixinStandardHelpOptions = true,
            description = "Trains the adapter and draws pictures on the way; needs prepare.")
    static final class Train extends RunCommand {
        Train(Function<String, @Nullable String> environment) {
            super(environment);
        }

        @Override
        List<Stage> stages() {
            return List.of(Stage.Train);
        }
    }
}
