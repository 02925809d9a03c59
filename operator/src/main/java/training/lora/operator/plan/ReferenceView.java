package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.ObjectMeta;
import java.util.Map;

/**
 * What is known of a {@link Reference}, by its metadata alone.
 *
 * @param state whether trainings may use it
 * @param version changes with each write of it; empty where it can't be seen
 */
public record ReferenceView(State state, String version) {
    /** Label of what trainings may use. */
    public static final String ALLOW = Names.OWN + "allow";

    /** Whether trainings may use it. */
    public enum State {
        ALLOWED,
        UNLABELLED,
        MISSING,
        /** The operator may not look. */
        HIDDEN
    }

    /** Of what is not there. */
    public static final ReferenceView MISSING = new ReferenceView(State.MISSING, "");

    /** Of what the operator may not see. */
    public static final ReferenceView HIDDEN = new ReferenceView(State.HIDDEN, "");

    /** Of what is there. */
    public static ReferenceView of(ObjectMeta metadata) {
        Map<String, String> labels = metadata.getLabels();
        boolean allowed = labels != null && "true".equals(labels.get(ALLOW));
        return new ReferenceView(
                allowed ? State.ALLOWED : State.UNLABELLED, metadata.getUid() + "/" + metadata.getResourceVersion());
    }
}
