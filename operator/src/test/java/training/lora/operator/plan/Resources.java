package training.lora.operator.plan;

import com.fasterxml.jackson.core.JsonProcessingException;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import training.lora.api.Json;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.LoraTrainingStatus;
import training.lora.api.LoraTrainingStatusBuilder;

/** The resource default/style, uid-1, of the plan's tests. */
final class Resources {
    private static final String SOURCES =
            "'baseModel':{'uri':'bundled://emoji-sd'},'datasets':[{'uri':'pvc://photos/cats'}]";

    private Resources() {}

    /** The termination message of that attempt's success, of the run abc. */
    static String succeeded(String stage, int attempt) {
        return result(stage, attempt, "'outcome':'Succeeded'");
    }

    /** That attempt's termination message, with {@code fields}. */
    static String result(String stage, int attempt, String fields) {
        return "{'version':'lora.training/result/v1','runId':'abc','stage':'%s','attempt':%d,%s}"
                .formatted(stage, attempt, fields)
                .replace('\'', '"');
    }

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
        LoraTrainingStatus read = Json.MAPPER.readValue(status.replace('\'', '"'), LoraTrainingStatus.class);
        resource.setStatus(
                LoraTrainingStatusBuilder.builder(read).observedGeneration(1L).build());
        return resource;
    }
}
