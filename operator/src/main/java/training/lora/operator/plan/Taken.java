package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.OwnerReference;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaim;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingStatus;
import training.lora.api.Stage;

/**
 * What is in the way of something that the run needs, because it has its name.
 *
 * @param kind of what is there
 * @param name of what is there
 * @param uid of what is there
 * @param whose whom it belongs to
 * @param deleted whether it was deleted, and only is not gone yet
 */
public record Taken(String kind, String name, String uid, Owner whose, boolean deleted) {
    /** Whom something belongs to. */
    public enum Owner {
        /** This run, which needs another one since the spec was corrected. */
        OURS,
        /** A resource that had the same name. */
        NAMESAKE,
        /** Anything else. */
        STRANGER
    }

    /** Null if {@code there} will do as {@code wanted} for {@code resource}. */
    public static @Nullable Taken by(HasMetadata there, HasMetadata wanted, LoraTraining resource) {
        boolean deleted = there.getMetadata().getDeletionTimestamp() != null;
        if (!deleted && Names.isRetainedFor(there, resource)) {
            return null;
        }
        Owner whose = whose(there, resource);
        if (whose == Owner.OURS && !deleted && (begun(resource) || asWanted(there, wanted))) {
            return null;
        }
        return new Taken(
                there.getKind(),
                there.getMetadata().getName(),
                Objects.requireNonNullElse(there.getMetadata().getUid(), ""),
                whose,
                deleted);
    }

    private static Owner whose(HasMetadata there, LoraTraining resource) {
        if (Names.owned(there, resource.getMetadata().getUid())) {
            return Owner.OURS;
        }
        boolean namesake = there.getMetadata().getOwnerReferences().stream()
                .anyMatch(o -> Boolean.TRUE.equals(o.getController()) && isNamesake(o, resource));
        return namesake ? Owner.NAMESAKE : Owner.STRANGER;
    }

    private static boolean isNamesake(OwnerReference owner, LoraTraining resource) {
        return resource.getKind().equals(owner.getKind())
                && resource.getMetadata().getName().equals(owner.getName());
    }

    private static boolean begun(LoraTraining resource) {
        return resource.getStatus() != null && Changes.started(resource.getStatus());
    }

    /** A claim can't be changed to another class or size; what bears no hash was made by an older operator. */
    private static boolean asWanted(HasMetadata there, HasMetadata wanted) {
        String before = hash(there);
        return !(wanted instanceof PersistentVolumeClaim) || before == null || before.equals(hash(wanted));
    }

    private static @Nullable String hash(HasMetadata object) {
        Map<String, String> annotations = object.getMetadata().getAnnotations();
        return annotations == null ? null : annotations.get(Changes.HASH);
    }

    /** The plan for {@code resource} as long as this is in its way. */
    public PlanResult plan(LoraTraining resource, Instant now) {
        LoraTrainingStatus old = StatusDraft.old(resource);
        if (resource.getMetadata().getDeletionTimestamp() != null) {
            return new PlanResult(List.of(), old, null, false);
        }
        String what = kind + " " + name;
        StatusDraft draft = new StatusDraft(resource, old, now);
        String phase = old.phase() == null ? Stage.Prepare.name() : old.phase();
        boolean stranger = whose == Owner.STRANGER && !deleted;
        List<Action> actions = new ArrayList<>();
        if (stranger) {
            draft.state(
                    phase,
                    List.of("Stalled"),
                    "NameTaken",
                    what + " exists and belongs to something else; delete it, or give this resource another name");
        } else {
            draft.state(
                    phase,
                    List.of("Reconciling"),
                    whose == Owner.NAMESAKE ? "WaitingForNamesake" : "WaitingForDeletion",
                    what + why() + "; the run waits for it to go");
        }
        LoraTrainingStatus status = draft.build();
        if (!status.equals(old)) {
            actions.add(new Action.WriteStatus(status));
        }
        if (whose == Owner.OURS && !deleted) {
            actions.add(new Action.DeleteClaim(name, uid));
        }
        return new PlanResult(actions, status, Duration.ofSeconds(stranger ? 30 : 3), false);
    }

    private String why() {
        return switch (whose) {
            case NAMESAKE -> " is of another LoraTraining that had this name";
            case OURS -> deleted ? " was deleted" : " was made for an earlier spec";
            case STRANGER -> " belongs to something else and was deleted";
        };
    }
}
