package training.lora.operator.reconcile;

import com.fasterxml.jackson.annotation.JsonIgnore;
import io.fabric8.kubernetes.model.annotation.Group;
import io.fabric8.kubernetes.model.annotation.Kind;
import io.fabric8.kubernetes.model.annotation.Plural;
import io.fabric8.kubernetes.model.annotation.Version;
import training.lora.api.LoraTraining;

/**
 * A resource with a value that this operator does not know or can't read, as a newer CRD may allow. It has its metadata,
 * and of its status at least conditions and phase; what could not be read is null.
 */
@Group("lora.training")
@Version("v1alpha1")
@Kind("LoraTraining")
@Plural("loratrainings")
final class UnreadableTraining extends LoraTraining {
    private static final long serialVersionUID = 1;

    @JsonIgnore
    private String problem = "";

    /** For the Java Operator SDK, which copies what it gives to a reconciler. */
    UnreadableTraining() {}

    UnreadableTraining(String problem) {
        this.problem = problem;
    }

    /** Which field can't be read, and why, as a sentence. */
    String problem() {
        return problem;
    }
}
