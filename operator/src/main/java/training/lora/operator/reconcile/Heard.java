package training.lora.operator.reconcile;

import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.javaoperatorsdk.operator.processing.event.ResourceID;
import java.util.List;
import java.util.Optional;
import training.lora.api.LoraTraining;

/** What was heard of the cluster so far, without asking it. */
interface Heard {
    /** The resource, or empty if there is none. */
    Optional<LoraTraining> resource(ResourceID id);

    /** The Jobs that bear the resource's name, whoever owns them. */
    List<Job> jobs(LoraTraining resource);

    /** The pods that bear the resource's name, whoever owns them. */
    List<Pod> pods(LoraTraining resource);

    /** All pods of the operator's Jobs. */
    List<Pod> pods();
}
