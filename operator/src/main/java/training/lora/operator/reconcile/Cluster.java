package training.lora.operator.reconcile;

import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTraining;
import training.lora.operator.plan.Action;
import training.lora.operator.plan.Observed;
import training.lora.operator.plan.Wanted;

/** What the reconciler needs of a cluster: what was heard of it may be old, what is read is new. */
interface Cluster {
    /** The resource as last heard of, or null if there is none. */
    @Nullable LoraTraining heard(String namespace, String name);

    /** What was heard of the run; only what {@link Wanted} names beside it, where a pod is late, is read. */
    Observed heard(LoraTraining resource);

    /** The resource as it is now, or null if there is none. */
    @Nullable LoraTraining read(String namespace, String name);

    /** What there is of the run, read now, after the resource. */
    Observed observe(LoraTraining resource);

    /** Does one action for the run, what is done already counts as done; returns the resource as it is after. */
    LoraTraining apply(LoraTraining resource, Action action) throws NameTakenException, RefusedException;
}
