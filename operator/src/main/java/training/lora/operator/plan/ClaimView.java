package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.PersistentVolumeClaim;
import org.jspecify.annotations.Nullable;

/**
 * The workspace's claim.
 *
 * @param name the claim's
 * @param found whether there is one; if not, nothing else is known
 * @param uid the claim's
 * @param phase Pending, Bound or Lost
 * @param storageClassName the class that it asks for; null: the cluster's default
 */
public record ClaimView(
        String name,
        boolean found,
        @Nullable String uid,
        @Nullable String phase,
        @Nullable String storageClassName) {
    /** What is to be known of the claim of that name; {@code claim} is null if there is none. */
    public static ClaimView of(String name, @Nullable PersistentVolumeClaim claim) {
        if (claim == null) {
            return new ClaimView(name, false, null, null, null);
        }
        String phase = claim.getStatus() == null ? null : claim.getStatus().getPhase();
        String storageClass = claim.getSpec() == null ? null : claim.getSpec().getStorageClassName();
        return new ClaimView(name, true, claim.getMetadata().getUid(), phase, storageClass);
    }
}
