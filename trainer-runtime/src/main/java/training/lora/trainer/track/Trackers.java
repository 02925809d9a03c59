package training.lora.trainer.track;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.MlflowSpec;
import training.lora.api.ProgressMessage;
import training.lora.api.Reason;
import training.lora.api.RunSpec;
import training.lora.api.SecretRef;
import training.lora.api.Stage;
import training.lora.api.TrackingSpec;
import training.lora.api.WandbSpec;
import training.lora.trainer.TrainerException;
import training.lora.trainer.http.Http;
import training.lora.trainer.report.TensorBoard;
import training.lora.trainer.run.Workspace;
import training.lora.trainer.source.Surroundings;
import training.lora.trainer.trained.SamplePictures;

/** All that a run is tracked by, as its spec says; nothing where it says nothing. */
public final class Trackers implements Consumer<ProgressMessage>, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Trackers.class);

    private final TensorBoard.Pictures pictures;
    private final @Nullable TensorBoard board;
    private final List<Tracker> services = new ArrayList<>();

    private Trackers(TensorBoard.Pictures pictures, @Nullable TensorBoard board) {
        this.pictures = pictures;
        this.board = board;
    }

    /**
     * Those of a run; none where no stage has anything to tell.
     *
     * @throws TrainerException InvalidConfiguration if a Secret that is named hasn't what opens the service
     */
    public static Trackers of(RunSpec run, List<Stage> stages, Workspace space, Surroundings surroundings) {
        boolean tells = stages.contains(Stage.Train) || stages.contains(Stage.Evaluate);
        TrackingSpec tracking = tells ? run.spec().tracking() : null;
        TensorBoard.Pictures pictures = step -> SamplePictures.files(space.train(), step);
        boolean events = tracking != null && tracking.tensorBoard();
        Trackers trackers =
                new Trackers(pictures, events ? new TensorBoard(space.train().resolve("tensorboard"), pictures) : null);
        if (tracking != null && tracking.mlflow() != null) {
            MlflowSpec spec = tracking.mlflow();
            Api api = api(spec.uri(), mlflowKey(spec, surroundings), surroundings);
            trackers.add(new Mlflow(spec, run, api, space.train()), run, space);
        }
        if (tracking != null && tracking.wandb() != null) {
            WandbSpec spec = tracking.wandb();
            Api api = api(spec.uri(), wandbKey(spec, surroundings), surroundings);
            trackers.add(new Wandb(spec, run, api, pictures), run, space);
        }
        return trackers;
    }

    private static Api api(String uri, Api.Key key, Surroundings surroundings) {
        // What is sent last is not cut off: the process that is asked to end says so to the service.
        return new Api(uri, key, new Http(surroundings::variable, surroundings.guard(), () -> false));
    }

    private static Api.Key mlflowKey(MlflowSpec spec, Surroundings surroundings) {
        String from = "`spec.tracking.mlflow.secretRef`, or MLFLOW_TRACKING_TOKEN outside a cluster";
        Map<String, String> keys = keys("spec.tracking.mlflow.secretRef", spec.secretRef(), surroundings);
        String token = keys == null ? surroundings.variable("MLFLOW_TRACKING_TOKEN") : keys.get("token");
        String user = keys == null ? surroundings.variable("MLFLOW_TRACKING_USERNAME") : keys.get("username");
        String password = keys == null ? surroundings.variable("MLFLOW_TRACKING_PASSWORD") : keys.get("password");
        if (token != null) {
            return Api.Key.token(token, from);
        }
        if (user != null && password != null) {
            return Api.Key.password(user, password, from);
        }
        return none(from, "token, or username and password", spec.secretRef(), keys);
    }

    private static Api.Key wandbKey(WandbSpec spec, Surroundings surroundings) {
        String from = "`spec.tracking.wandb.secretRef`, or WANDB_API_KEY outside a cluster";
        Map<String, String> keys = keys("spec.tracking.wandb.secretRef", spec.secretRef(), surroundings);
        String key = keys == null ? surroundings.variable("WANDB_API_KEY") : keys.get("token");
        return key == null ? none(from, "token", spec.secretRef(), keys) : Api.Key.password("api", key, from);
    }

    private static Api.Key none(
            String from, String needed, @Nullable SecretRef secret, @Nullable Map<String, String> keys) {
        if (keys != null && secret != null) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "%s must name a Secret with %s, but %s has %s"
                            .formatted(from.split(",")[0], needed, secret.name(), keys.keySet()));
        }
        return Api.Key.none(from);
    }

    /** Null where the environment's count: in a pod it is the platform's, which no maker's server is to see. */
    private static @Nullable Map<String, String> keys(
            String field, @Nullable SecretRef secret, Surroundings surroundings) {
        if (secret == null) {
            return surroundings.inPod() ? Map.of() : null;
        }
        return surroundings.inPod() || surroundings.variable("LORA_SECRETS") != null
                ? surroundings.secrets().read(field, secret.name())
                : null;
    }

    private void add(Service service, RunSpec run, Workspace space) {
        try {
            TrackedFile file =
                    new TrackedFile(space.tracking(), service.file(), run.runId(), service.where(), service::earlier);
            services.add(new Tracker(service, file, Tracker.Times.USUAL));
        } catch (IOException | RuntimeException e) {
            LOG.warn(
                    "{} is not told of the run, which goes on: {} can't be read or written ({})",
                    service.name(),
                    space.tracking(),
                    e.toString());
        }
    }

    @Override
    public void accept(ProgressMessage message) {
        if (board != null) {
            board.accept(message);
        }
        Point point = services.isEmpty() ? null : Point.of(message, this::drawn);
        if (point != null) {
            services.forEach(service -> service.accept(point));
        }
    }

    private List<Path> drawn(int step) {
        try {
            return pictures.of(step);
        } catch (RuntimeException e) {
            LOG.warn("the pictures of step {} can't be looked for, and nobody is told of them: {}", step, e.toString());
            return List.of();
        }
    }

    /** How the process ends; unsaid, by a failure. */
    public void ends(Ending ending) {
        services.forEach(service -> service.ends(ending));
    }

    /** Ends by a failure, unless it is one that asks for another attempt. */
    public void fails(TrainerException failure) {
        ends(failure.reason() == Reason.Preempted ? Ending.Interrupted : Ending.Failed);
    }

    /** Tells what is left, for a few seconds at most. */
    @Override
    public void close() {
        services.forEach(Tracker::close);
    }
}
