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
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTraining;
import training.lora.operator.plan.Names;

/**
 * What the informers have told so far, in memory. Each watched namespace has informers, and stores, of its own: with one
 * store for several namespaces an informer's list would remove what the others have put there.
 */
final class Informers implements Heard {
    /** Pages of a list: without a limit an informer's first list may be older than what was known before a restart. */
    static final long PAGE = 500;

    private static final String OURS = Names.MANAGED_BY + "=" + Names.OPERATOR;
    private static final String BY_NAME = "resource";

    private final IndexerResourceCache<LoraTraining> resources;
    private final List<InformerEventSource<Job, LoraTraining>> jobs = new ArrayList<>();
    private final List<InformerEventSource<Pod, LoraTraining>> pods = new ArrayList<>();

    Informers(EventSourceContext<LoraTraining> context) {
        resources = context.getPrimaryCache();
        for (String namespace :
                new TreeSet<>(context.getControllerConfiguration().getEffectiveNamespaces())) {
            jobs.add(source(
                    InformerEventSourceConfiguration.from(Job.class, LoraTraining.class)
                            .withName("jobs of " + namespace)
                            .withSecondaryToPrimaryMapper(Mappers.fromOwnerReferences(LoraTraining.class))
                            .withItemStore(new ThinJobs()),
                    namespace,
                    context));
            pods.add(source(
                    InformerEventSourceConfiguration.from(Pod.class, LoraTraining.class)
                            .withName("pods of " + namespace)
                            .withSecondaryToPrimaryMapper(Informers::resourceOf)
                            .withItemStore(new ThinPods()),
                    namespace,
                    context));
        }
    }

    private static <T extends HasMetadata> InformerEventSource<T, LoraTraining> source(
            InformerEventSourceConfiguration.Builder<T> builder,
            String namespace,
            EventSourceContext<LoraTraining> context) {
        InformerEventSource<T, LoraTraining> source = new InformerEventSource<>(
                builder.withNamespaces(namespace)
                        .withLabelSelector(OURS)
                        .withInformerListLimit(PAGE)
                        .build(),
                context);
        source.addIndexers(Map.of(BY_NAME, index()));
        return source;
    }

    List<EventSource<?, LoraTraining>> sources() {
        return Stream.<EventSource<?, LoraTraining>>concat(jobs.stream(), pods.stream())
                .toList();
    }

    @Override
    public Optional<LoraTraining> resource(ResourceID id) {
        return resources.get(id);
    }

    @Override
    public List<Job> jobs(LoraTraining resource) {
        return named(jobs, resource);
    }

    @Override
    public List<Pod> pods(LoraTraining resource) {
        return named(pods, resource);
    }

    @Override
    public List<Pod> pods() {
        return pods.stream().flatMap(InformerEventSource::list).toList();
    }

    Optional<Pod> pod(ResourceID id) {
        return pods.stream().flatMap(source -> source.get(id).stream()).findFirst();
    }

    private static <T extends HasMetadata> List<T> named(
            List<InformerEventSource<T, LoraTraining>> sources, LoraTraining resource) {
        return sources.stream()
                .flatMap(source -> source.byIndex(BY_NAME, Names.path(resource)).stream())
                .toList();
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
