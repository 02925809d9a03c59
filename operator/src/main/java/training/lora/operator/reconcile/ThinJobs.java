package training.lora.operator.reconcile;

import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.ContainerBuilder;
import io.fabric8.kubernetes.api.model.PodSpec;
import io.fabric8.kubernetes.api.model.PodSpecBuilder;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.client.informers.cache.BasicItemStore;
import io.fabric8.kubernetes.client.informers.cache.Cache;
import java.util.List;

/** The informer's Jobs without what is not planned by, which is most of their size. */
final class ThinJobs extends BasicItemStore<Job> {
    ThinJobs() {
        super(Cache::metaNamespaceKeyFunc);
    }

    @Override
    public Job put(String key, Job job) {
        job.getMetadata().setManagedFields(null);
        PodSpec pod = job.getSpec().getTemplate().getSpec();
        List<Container> containers = pod.getContainers().stream()
                .map(c -> new ContainerBuilder()
                        .withName(c.getName())
                        .withImage(c.getImage())
                        .build())
                .toList();
        job.getSpec()
                .getTemplate()
                .setSpec(new PodSpecBuilder().withContainers(containers).build());
        return super.put(key, job);
    }
}
