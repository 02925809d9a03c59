package training.lora.trainer.trained;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.util.List;
import java.util.Map;
import training.lora.api.Json;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.RunSpec;
import training.lora.trainer.dataset.DatasetManifest;
import training.lora.trainer.dataset.DatasetManifestBuilder;

/** Runs with little in them. */
public final class TestRuns {
    static final DatasetManifest DATA = DatasetManifestBuilder.builder()
            .version(DatasetManifest.VERSION)
            .key("key")
            .digest("data")
            .baseModelDigest("model")
            .model("SD15")
            .resolution(16)
            .samples(List.of())
            .files(Map.of())
            .build();

    private TestRuns() {}

    /** A run with these fields under spec.training. */
    public static RunSpec run(String training) {
        return run("t", "training: {%s}".formatted(training));
    }

    /** A run of that name with these fields under spec. */
    static RunSpec run(String name, String fields) {
        try {
            return RunSpec.of(
                    "default",
                    name,
                    Json.STRICT_YAML.readValue(
                            "{baseModel: {uri: base}, datasets: [{uri: data}], %s}".formatted(fields),
                            LoraTrainingSpec.class));
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(e);
        }
    }
}
