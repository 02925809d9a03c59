package training.lora.operator.plan;

import com.fasterxml.jackson.core.JsonProcessingException;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import training.lora.api.Json;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.LoraTrainingStatus;

/** The resource default/style, uid-1, of the plan's tests. */
final class Resources {
    private static final String SOURCES =
            "'baseModel':{'uri':'bundled://emoji-sd'},'datasets':[{'uri':'pvc://photos/cats'}]";

    private Resources() {}

    /** With {@code fields} added to its spec, in JSON with single quotes, as the status is. */
    static LoraTraining of(String fields, String status) throws JsonProcessingException {
        LoraTraining resource = new LoraTraining();
        resource.setMetadata(new ObjectMetaBuilder()
                .withNamespace("default")
                .withName("style")
                .withUid("uid-1")
                .withGeneration(1L)
                .build());
        String spec = "{" + SOURCES + (fields.isEmpty() ? "" : "," + fields) + "}";
        resource.setSpec(Json.MAPPER.readValue(spec.replace('\'', '"'), LoraTrainingSpec.class));
        resource.setStatus(Json.MAPPER.readValue(status.replace('\'', '"'), LoraTrainingStatus.class));
        return resource;
    }
}
