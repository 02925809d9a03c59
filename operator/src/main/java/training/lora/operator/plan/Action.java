package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.ConfigMap;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaim;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import java.util.Locale;
import training.lora.api.LoraTrainingStatus;

/** One write to the cluster. Each may be done again: what exists already and is ours counts as done. */
public sealed interface Action {
    /** Creates the workspace. */
    record CreateClaim(PersistentVolumeClaim claim) implements Action {}

    /** Creates the file that the trainer reads. */
    record CreateConfigMap(ConfigMap configMap) implements Action {}

    /** Creates a stage's Job. */
    record CreateJob(Job job) implements Action {}

    /** Writes what of the status differs; fails if the resource was written meanwhile. */
    record WriteStatus(LoraTrainingStatus status) implements Action {}

    /** Deletes a Job whose outcome stands in the status, its pods first. */
    record DeleteJob(String name, String uid) implements Action {}

    /** Deletes a claim that was made as a spec said that has been corrected; nothing ever ran on it. */
    record DeleteClaim(String name, String uid) implements Action {}

    /** Tells people; may be lost. {@code key}, which becomes part of the event's name, is the same if it is told again. */
    record Emit(String key, boolean warning, String reason, String message) implements Action {
        public Emit {
            key = key.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9]+", "-").replaceAll("^-|-$", "");
        }
    }
}
