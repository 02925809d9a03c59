package training.lora.operator.reconcile;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fabric8.kubernetes.api.model.DeletionPropagation;
import io.fabric8.kubernetes.api.model.Event;
import io.fabric8.kubernetes.api.model.EventBuilder;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaim;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.javaoperatorsdk.operator.processing.event.ResourceID;
import java.net.HttpURLConnection;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Json;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingStatus;
import training.lora.operator.plan.Action;
import training.lora.operator.plan.ClaimView;
import training.lora.operator.plan.Names;
import training.lora.operator.plan.Observed;
import training.lora.operator.plan.ObservedBuilder;
import training.lora.operator.plan.Reference;
import training.lora.operator.plan.ReferenceView;
import training.lora.operator.plan.RunPod;
import training.lora.operator.plan.Taken;
import training.lora.operator.plan.Wanted;
import training.lora.operator.plan.Warning;
import training.lora.operator.tls.Trust;

/** A cluster by its API server. */
final class KubernetesCluster implements Cluster {
    private static final Logger LOG = LoggerFactory.getLogger(KubernetesCluster.class);

    private final KubernetesClient client;
    private final MetadataReader metadata;
    private final Heard heard;
    private final Trust trust;
    private final OwnWrites own = new OwnWrites();
    private final Inquiries inquiries = new Inquiries();

    KubernetesCluster(KubernetesClient client, Heard heard, Trust trust) {
        this.client = client;
        this.metadata = new MetadataReader(client);
        this.heard = heard;
        this.trust = trust;
    }

    @Override
    public @Nullable LoraTraining heard(String namespace, String name) {
        ResourceID id = new ResourceID(name, namespace);
        return own.newest(id, heard.resource(id).orElse(null));
    }

    @Override
    public Observed heard(LoraTraining resource) {
        return completed(resource, heard.jobs(resource), heard.pods(resource));
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
        String name = resource.getMetadata().getName();
        List<Job> jobs = client.batch()
                .v1()
                .jobs()
                .inNamespace(namespace)
                .withLabel(Names.NAME, name)
                .list()
                .getItems();
        List<Pod> pods = client.pods()
                .inNamespace(namespace)
                .withLabel(Names.NAME, name)
                .list()
                .getItems();
        return completed(resource, jobs, pods);
    }

    /** With what else must be known, read now. */
    private Observed completed(LoraTraining resource, List<Job> jobs, List<Pod> allPods) {
        String namespace = resource.getMetadata().getNamespace();
        List<RunPod> pods = allPods.stream().map(RunPod::of).toList();
        Instant now = Instant.now();
        Wanted wanted = inquiries.due(resource, Wanted.of(resource, jobs, pods, now), now);
        Set<String> warningsOf = new TreeSet<>(wanted.warningsOf());
        ClaimView claim = wanted.claim() == null ? null : claim(namespace, wanted.claim());
        if (claim != null && claim.uid() != null) {
            warningsOf.add(claim.uid());
        }
        Map<String, Boolean> nodesReady = new TreeMap<>();
        for (String node : wanted.nodes()) {
            Boolean ready = ready(node);
            if (ready != null) {
                nodesReady.put(node, ready);
            }
        }
        List<Warning> warnings = warningsOf.stream()
                .flatMap(uid -> warnings(namespace, uid).stream())
                .toList();
        Map<Reference, ReferenceView> references = new TreeMap<>();
        for (Reference reference : wanted.references()) {
            references.put(reference, metadata.read(namespace, reference));
        }
        return ObservedBuilder.builder()
                .jobs(jobs)
                .pods(pods)
                .warnings(warnings)
                .nodesReady(nodesReady)
                .references(references)
                .why(wanted.why())
                .claim(claim)
                .build();
    }

    private ClaimView claim(String namespace, String name) {
        return ClaimView.of(
                name,
                client.persistentVolumeClaims()
                        .inNamespace(namespace)
                        .withName(name)
                        .get());
    }

    /** Null where nodes may not be read. */
    private @Nullable Boolean ready(String node) {
        try {
            Node there = client.nodes().withName(node).get();
            return there != null
                    && there.getStatus().getConditions().stream()
                            .anyMatch(c ->
                                    c.getType().equals("Ready") && c.getStatus().equals("True"));
        } catch (KubernetesClientException e) {
            if (e.getCode() == HttpURLConnection.HTTP_FORBIDDEN) {
                return null;
            }
            throw e;
        }
    }

    private List<Warning> warnings(String namespace, String uid) {
        return Warning.standing(client.v1()
                .events()
                .inNamespace(namespace)
                .withField("involvedObject.uid", uid)
                .list()
                .getItems());
    }

    @Override
    public LoraTraining apply(LoraTraining resource, Action action) throws NameTakenException, RefusedException {
        if (action instanceof Action.CreateClaim create) {
            createOnce(resource, create.claim());
        } else if (action instanceof Action.CreateConfigMap create) {
            createOnce(resource, create.configMap());
        } else if (action instanceof Action.CreateJob create) {
            tellAuthorities(resource);
            create(resource, create.job());
        } else if (action instanceof Action.WriteStatus write) {
            return writeStatus(resource, write.status());
        } else if (action instanceof Action.DeleteJob delete) {
            delete(resource, delete);
        } else if (action instanceof Action.DeleteClaim delete) {
            deleteClaim(resource, delete);
        } else if (action instanceof Action.Emit emit) {
            emit(resource, emit);
        }
        return resource;
    }

    /** Creates what stays for the whole run; once an attempt has begun it most likely is there. */
    private void createOnce(LoraTraining resource, HasMetadata child) throws NameTakenException, RefusedException {
        LoraTrainingStatus status = resource.getStatus();
        boolean begun = status != null && !status.stages().isEmpty();
        if (!begun || !isThere(resource, child)) {
            create(resource, child);
        }
    }

    /** Before the Job, since its pods wait for the ConfigMap. What only ends needs none. */
    private void tellAuthorities(LoraTraining resource) throws RefusedException {
        try {
            trust.ensure(resource.getMetadata().getNamespace());
        } catch (KubernetesClientException e) {
            if (RefusedException.is(e)) {
                throw RefusedException.of("ConfigMap " + trust.configMap(), e);
            }
            throw e;
        }
    }

    private void create(LoraTraining resource, HasMetadata child) throws NameTakenException, RefusedException {
        try {
            client.resource(child).create();
        } catch (KubernetesClientException e) {
            // Where a quota is used up, an object that exists is answered with 403 too.
            boolean mayExist =
                    e.getCode() == HttpURLConnection.HTTP_CONFLICT || e.getCode() == HttpURLConnection.HTTP_FORBIDDEN;
            if (mayExist && isThere(resource, child)) {
                return;
            }
            if (RefusedException.is(e)) {
                throw RefusedException.of(
                        child.getKind() + " " + child.getMetadata().getName(), e);
            }
            throw e;
        }
    }

    private boolean isThere(LoraTraining resource, HasMetadata child) throws NameTakenException {
        HasMetadata there = client.resource(child).get();
        Taken taken = there == null ? null : Taken.by(there, child, resource);
        if (taken != null) {
            throw new NameTakenException(taken);
        }
        return there != null;
    }

    private LoraTraining writeStatus(LoraTraining resource, LoraTrainingStatus status) {
        ObjectNode fields = StatusPatch.between(resource.getStatus(), status);
        if (fields.isEmpty()) {
            return resource;
        }
        ObjectNode patch = Json.MAPPER.createObjectNode();
        // Refused with 409 if anyone wrote meanwhile: what was decided may not hold then.
        patch.putObject("metadata")
                .put("resourceVersion", resource.getMetadata().getResourceVersion());
        patch.set("status", fields);
        LoraTraining written = client.resources(LoraTraining.class)
                .inNamespace(resource.getMetadata().getNamespace())
                // By the object: by its name, Fabric8 would read it first.
                .resource(resource)
                .subresource("status")
                .patch(PatchContext.of(PatchType.JSON_MERGE), patch.toString());
        own.put(written);
        return written;
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

    private void deleteClaim(LoraTraining resource, Action.DeleteClaim delete) {
        PersistentVolumeClaim claim = client.persistentVolumeClaims()
                .inNamespace(resource.getMetadata().getNamespace())
                .withName(delete.name())
                .get();
        if (claim != null && delete.uid().equals(claim.getMetadata().getUid())) {
            client.resource(claim).delete();
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
            if (e.getCode() != HttpURLConnection.HTTP_CONFLICT && !RefusedException.namespaceGoes(e)) {
                LOG.warn("{}: an event could not be written: {}", Names.path(resource), e.getMessage());
            }
        }
    }
}
