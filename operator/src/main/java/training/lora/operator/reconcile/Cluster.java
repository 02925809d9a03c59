package training.lora.operator.reconcile;

import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTraining;
import training.lora.operator.plan.Action;
import training.lora.operator.plan.Observed;

/** What the reconciler needs of a cluster; reads are not cached. */
interface Cluster {
    /** The resource as it is now, or null if there is none. */
    @Nullable LoraTraining read(String namespace, String name);

    /** What there is of the run, read now, after the resource. */
    Observed observe(LoraTraining resource);

    /** Does one action for the run; what is done already counts as done. */
    void apply(LoraTraining resource, Action action) throws NameTakenException;
}
