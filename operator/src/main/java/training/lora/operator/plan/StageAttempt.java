package training.lora.operator.plan;

import io.soabase.recordbuilder.core.RecordBuilder;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTraining;
import training.lora.api.Stage;

/**
 * Which Job is to be made.
 *
 * @param resource whose
 * @param runId the run's id
 * @param stage the stage
 * @param number which attempt, from 1
 * @param image the trainer's image
 * @param references a hash of the versions of the Secrets and the account that it uses; null: it uses none
 */
@RecordBuilder
record StageAttempt(
        LoraTraining resource,
        String runId,
        Stage stage,
        int number,
        String image,
        @Nullable String references) {
    String jobName() {
        return Names.job(resource.getMetadata().getName(), stage, number);
    }

    /** What the pod's token must be meant for. */
    String audience() {
        return Names.audience(resource.getMetadata().getUid(), stage, number);
    }
}
