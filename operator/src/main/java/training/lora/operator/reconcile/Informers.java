package training.lora.operator.reconcile;

import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.javaoperatorsdk.operator.api.config.informer.InformerEventSourceConfiguration;
import io.javaoperatorsdk.operator.api.reconciler.EventSourceContext;
import io.javaoperatorsdk.operator.processing.event.ResourceID;
import io.javaoperatorsdk.operator.processing.event.source.EventSource;
import io.javaoperatorsdk.operator.processing.event.source.IndexerResourceCache;
import io.javaoperatorsdk.operator.processing.event.source.informer.InformerEventSource;
import io.javaoperatorsdk.operator.processing.event.source.informer.Mappers;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTraining;
import training.lora.operator.plan.Names;

/** What the informers have told so far, in memory. */
final class Informers implements Heard {
    /** Pages of a list: without a limit an informer's first list may be older than what was known before a restart. */
    static final long PAGE = 500;

    private static final String OURS = Names.MANAGED_BY + "=" + Names.OPERATOR;
    private static final String BY_NAME = "resource";

    private final IndexerResourceCache<LoraTraining> resources;
    private final InformerEventSource<Job, LoraTraining> jobs;
    private final InformerEventSource<Pod, LoraTraining> pods;

    Informers(EventSourceContext<LoraTraining> context) {
        resources = context.getPrimaryCache();
        jobs = new InformerEventSource<>(
                InformerEventSourceConfiguration.from(Job.class, LoraTraining.class)
                        .withName("jobs")
                        .withLabelSelector(OURS)
                        .withSecondaryToPrimaryMapper(Mappers.fromOwnerReferences(LoraTraining.class))
                        .withItemStore(new ThinJobs())
                        .withInformerListLimit(PAGE)
                        .build(),
                context);
        pods = new InformerEventSource<>(
                InformerEventSourceConfiguration.from(Pod.class, LoraTraining.class)
                        .withName("pods")
                        .withLabelSelector(OURS)
                        .withSecondaryToPrimaryMapper(Informers::resourceOf)
                        .withItemStore(new ThinPods())
                        .withInformerListLimit(PAGE)
                        .build(),
                context);
        jobs.addIndexers(Map.of(BY_NAME, index()));
        pods.addIndexers(Map.of(BY_NAME, index()));
    }

    List<EventSource<?, LoraTraining>> sources() {
        return List.of(jobs, pods);
    }

    @Override
    public Optional<LoraTraining> resource(ResourceID id) {
        return resources.get(id);
    }

    @Override
    public List<Job> jobs(LoraTraining resource) {
        return jobs.byIndex(BY_NAME, Names.path(resource));
    }

    @Override
    public List<Pod> pods(LoraTraining resource) {
        return pods.byIndex(BY_NAME, Names.path(resource));
    }

    Optional<Pod> pod(ResourceID id) {
        return pods.get(id);
    }

    private static Set<ResourceID> resourceOf(Pod pod) {
        String name = label(pod);
        return name == null
                ? Set.of()
                : Set.of(new ResourceID(name, pod.getMetadata().getNamespace()));
    }

    private static <T extends HasMetadata> Function<T, List<String>> index() {
        return object -> {
            String name = label(object);
            return name == null ? List.of() : List.of(object.getMetadata().getNamespace() + "/" + name);
        };
    }

    private static @Nullable String label(HasMetadata object) {
        Map<String, String> labels = object.getMetadata().getLabels();
        return labels == null ? null : labels.get(Names.NAME);
    }
}
