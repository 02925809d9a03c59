package training.lora.trainer.track;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import training.lora.api.Json;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.MlflowSpec;
import training.lora.api.RunSpec;
import training.lora.api.Stage;
import training.lora.api.TrackingSpec;
import training.lora.api.WandbSpec;
import training.lora.trainer.http.AddressGuard;
import training.lora.trainer.http.Http;

/** Runs that are tracked in tests. */
final class Runs {
    private static final Tracker.Times FAST = new Tracker.Times(
            Duration.ofMillis(1),
            Duration.ofMillis(1),
            Duration.ofMillis(4),
            Duration.ofMinutes(1),
            Duration.ofSeconds(20));

    private Runs() {}

    static MlflowSpec mlflow(RunSpec run) {
        return Objects.requireNonNull(tracking(run).mlflow());
    }

    static WandbSpec wandb(RunSpec run) {
        return Objects.requireNonNull(tracking(run).wandb());
    }

    private static TrackingSpec tracking(RunSpec run) {
        return Objects.requireNonNull(run.spec().tracking());
    }

    /** @param tracking the field, in JSON with single quotes */
    static RunSpec of(String tracking) throws IOException {
        String spec = """
                {'baseModel': {'uri': 'https://host/base.safetensors?token=secret', 'secretRef': {'name': 'hub'}},
                 'datasets': [{'uri': 'bundled://robot', 'concept': {'trigger': 'zorbot'}}],
                 'training': {'steps': 20, 'optimizer': {'learningRate': 0.0003}},
                 'tracking': %s}""".formatted(tracking).replace('\'', '"');
        return RunSpec.of("default", "robot", Json.STRICT_YAML.readValue(spec, LoraTrainingSpec.class));
    }

    static Api api(String uri, Api.Key key) {
        return new Api(uri, key, new Http(name -> null, AddressGuard.open(), () -> false));
    }

    static Tracker tracker(Path folder, Service service, RunSpec run) throws IOException {
        return new Tracker(
                service, new TrackedFile(folder, service.file(), run.runId(), service.where(), service::earlier), FAST);
    }

    static Point loss(int step, double loss) {
        return new Point(Stage.Train, step, 1_700_000_000_000L + 1000L * step, Map.of("loss", loss), List.of());
    }

    static Point score(int step, double score) {
        Map<String, Double> metrics = new LinkedHashMap<>(Map.of("checkpoint/score", score));
        return new Point(Stage.Evaluate, step, 1_700_000_100_000L, metrics, List.of());
    }
}
