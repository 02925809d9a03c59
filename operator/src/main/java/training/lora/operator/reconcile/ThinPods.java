package training.lora.operator.reconcile;

import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodSpecBuilder;
import io.fabric8.kubernetes.client.informers.cache.BasicItemStore;
import io.fabric8.kubernetes.client.informers.cache.Cache;

/** The informer's pods: what identifies them, where they are and how they are; not what they consist of. */
final class ThinPods extends BasicItemStore<Pod> {
    ThinPods() {
        super(Cache::metaNamespaceKeyFunc);
    }

    @Override
    public Pod put(String key, Pod pod) {
        pod.getMetadata().setManagedFields(null);
        String node = pod.getSpec() == null ? null : pod.getSpec().getNodeName();
        pod.setSpec(new PodSpecBuilder().withNodeName(node).build());
        return super.put(key, pod);
    }
}
