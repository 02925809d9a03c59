package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.Condition;
import java.time.Instant;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingStatus;

/** What holds for a run that is complete or failed. */
final class Finished {
    private Finished() {}

    static boolean is(LoraTrainingStatus status) {
        return StatusDraft.isTrue(status, "Complete") || StatusDraft.isTrue(status, "Failed");
    }

    /** When its Jobs are to be deleted; null: never. */
    static @Nullable Instant expiry(LoraTraining resource) {
        LoraTrainingStatus status = resource.getStatus();
        Integer ttl = resource.getSpec() == null ? null : resource.getSpec().ttlSecondsAfterFinished();
        Condition end = StatusDraft.condition(status, StatusDraft.isTrue(status, "Complete") ? "Complete" : "Failed");
        return ttl == null || end == null
                ? null
                : Instant.parse(end.getLastTransitionTime()).plusSeconds(ttl);
    }

    static boolean settled(LoraTraining resource, Instant now) {
        LoraTrainingStatus status = resource.getStatus();
        if (status == null || !is(status)) {
            return false;
        }
        Instant expiry = expiry(resource);
        return Objects.equals(
                        status.observedGeneration(), resource.getMetadata().getGeneration())
                && (expiry == null || now.isBefore(expiry));
    }
}
