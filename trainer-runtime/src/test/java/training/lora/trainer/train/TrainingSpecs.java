package training.lora.trainer.train;

import com.fasterxml.jackson.core.JsonProcessingException;
import training.lora.api.Json;
import training.lora.api.TrainingSpec;

/** spec.training as users write it. */
public final class TrainingSpecs {
    private TrainingSpecs() {}

    /** @param fields such as {@code batchSize: 2, loss: {weighting: Uniform}} */
    public static TrainingSpec of(String fields) {
        try {
            return Json.STRICT_YAML.readValue("{" + fields + "}", TrainingSpec.class);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(fields, e);
        }
    }
}
