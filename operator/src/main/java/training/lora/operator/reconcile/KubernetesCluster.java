package training.lora.operator.reconcile;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fabric8.kubernetes.api.model.ContainerStateTerminated;
import io.fabric8.kubernetes.api.model.DeletionPropagation;
import io.fabric8.kubernetes.api.model.Event;
import io.fabric8.kubernetes.api.model.EventBuilder;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import java.net.HttpURLConnection;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Json;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingStatus;
import training.lora.operator.plan.Action;
import training.lora.operator.plan.Names;
import training.lora.operator.plan.Observed;
import training.lora.operator.plan.PodResult;

/** A cluster by its API server. */
final class KubernetesCluster implements Cluster {
    private static final Logger LOG = LoggerFactory.getLogger(KubernetesCluster.class);

    private final KubernetesClient client;

    KubernetesCluster(KubernetesClient client) {
        this.client = client;
    }

    @Override
    public @Nullable LoraTraining read(String namespace, String name) {
        return client.resources(LoraTraining.class)
                .inNamespace(namespace)
                .withName(name)
                .get();
    }

    @Override
    public Observed observe(LoraTraining resource) {
        String namespace = resource.getMetadata().getNamespace();
        List<Job> jobs = client.batch()
                .v1()
                .jobs()
                .inNamespace(namespace)
                .withLabel(Names.NAME, resource.getMetadata().getName())
                .list()
                .getItems();
        LoraTrainingStatus status = resource.getStatus();
        Map<String, PodResult> results = new HashMap<>();
        for (Job job : jobs) {
            String name = job.getMetadata().getName();
            boolean known = status != null
                    && status.stages().stream().anyMatch(s -> name.equals(s.jobName()) && s.outcome() != null);
            PodResult result = known || !hasCondition(job) ? null : podResult(namespace, name);
            if (result != null) {
                results.put(name, result);
            }
        }
        return new Observed(jobs, results);
    }

    private static boolean hasCondition(Job job) {
        return job.getStatus() != null && !job.getStatus().getConditions().isEmpty();
    }

    private @Nullable PodResult podResult(String namespace, String job) {
        List<Pod> pods = client.pods()
                .inNamespace(namespace)
                .withLabel("job-name", job)
                .list()
                .getItems();
        return pods.stream()
                .filter(p -> p.getStatus() != null)
                .flatMap(p -> p.getStatus().getContainerStatuses().stream())
                .map(c -> c.getState() == null ? null : c.getState().getTerminated())
                .filter(Objects::nonNull)
                .max(Comparator.comparing(t -> Objects.requireNonNullElse(t.getFinishedAt(), "")))
                .map(KubernetesCluster::result)
                .orElse(null);
    }

    private static PodResult result(ContainerStateTerminated terminated) {
        Integer code = terminated.getExitCode();
        return new PodResult(code == null ? 0 : code, terminated.getReason(), terminated.getMessage());
    }

    @Override
    public void apply(LoraTraining resource, Action action) throws NameTakenException {
        if (action instanceof Action.CreateClaim create) {
            create(resource, create.claim());
        } else if (action instanceof Action.CreateConfigMap create) {
            create(resource, create.configMap());
        } else if (action instanceof Action.CreateJob create) {
            create(resource, create.job());
        } else if (action instanceof Action.WriteStatus write) {
            writeStatus(resource, write.status());
        } else if (action instanceof Action.DeleteJob delete) {
            delete(resource, delete);
        } else if (action instanceof Action.Emit emit) {
            emit(resource, emit);
        }
    }

    private void create(LoraTraining resource, HasMetadata child) throws NameTakenException {
        try {
            client.resource(child).create();
        } catch (KubernetesClientException e) {
            if (e.getCode() != HttpURLConnection.HTTP_CONFLICT) {
                throw e;
            }
            HasMetadata there = client.resource(child).get();
            if (there == null || !Names.owned(there, resource.getMetadata().getUid())) {
                throw new NameTakenException(
                        child.getKind() + " " + child.getMetadata().getName());
            }
        }
    }

    private void writeStatus(LoraTraining resource, LoraTrainingStatus status) {
        ObjectNode fields = StatusPatch.between(resource.getStatus(), status);
        if (fields.isEmpty()) {
            return;
        }
        ObjectNode patch = Json.MAPPER.createObjectNode();
        // Refused with 409 if anyone wrote meanwhile: what was decided may not hold then.
        patch.putObject("metadata")
                .put("resourceVersion", resource.getMetadata().getResourceVersion());
        patch.set("status", fields);
        client.resources(LoraTraining.class)
                .inNamespace(resource.getMetadata().getNamespace())
                .withName(resource.getMetadata().getName())
                .subresource("status")
                .patch(PatchContext.of(PatchType.JSON_MERGE), patch.toString());
    }

    private void delete(LoraTraining resource, Action.DeleteJob delete) {
        Job job = client.batch()
                .v1()
                .jobs()
                .inNamespace(resource.getMetadata().getNamespace())
                .withName(delete.name())
                .get();
        if (job != null && delete.uid().equals(job.getMetadata().getUid())) {
            client.resource(job)
                    .withPropagationPolicy(DeletionPropagation.FOREGROUND)
                    .delete();
        }
    }

    private void emit(LoraTraining resource, Action.Emit emit) {
        String now = Instant.now().truncatedTo(ChronoUnit.SECONDS).toString();
        String uid = resource.getMetadata().getUid();
        Event event = new EventBuilder()
                .withNewMetadata()
                .withNamespace(resource.getMetadata().getNamespace())
                .withName((resource.getMetadata().getName() + "." + uid.substring(0, Math.min(8, uid.length())) + "."
                                + emit.key())
                        .toLowerCase(Locale.ROOT))
                .endMetadata()
                .withNewInvolvedObject()
                .withApiVersion(resource.getApiVersion())
                .withKind(resource.getKind())
                .withNamespace(resource.getMetadata().getNamespace())
                .withName(resource.getMetadata().getName())
                .withUid(uid)
                .endInvolvedObject()
                .withType(emit.warning() ? "Warning" : "Normal")
                .withReason(emit.reason())
                .withMessage(emit.message()
                        .substring(0, Math.min(1024, emit.message().length())))
                .withFirstTimestamp(now)
                .withLastTimestamp(now)
                .withCount(1)
                .withNewSource()
                .withComponent(Names.OPERATOR)
                .endSource()
                .build();
        try {
            client.resource(event).create();
        } catch (KubernetesClientException e) {
            if (e.getCode() != HttpURLConnection.HTTP_CONFLICT) {
                LOG.warn(
                        "{}/{}: an event could not be written: {}",
                        resource.getMetadata().getNamespace(),
                        resource.getMetadata().getName(),
                        e.getMessage());
            }
        }
    }
}
