package training.lora.operator.reconcile;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.api.model.batch.v1.JobBuilder;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingSpec;
import training.lora.operator.plan.Action;
import training.lora.operator.plan.Names;
import training.lora.operator.plan.Observed;
import training.lora.operator.plan.Pods;
import training.lora.operator.plan.RunPod;
import training.lora.operator.plan.Taken;

/** A cluster in memory that can stop the operator before its n-th write and ends Jobs as it is told. */
final class FakeCluster implements Cluster {
    static final class Killed extends RuntimeException {
        private static final long serialVersionUID = 1;
    }

    final LoraTraining resource = new LoraTraining();
    final Map<String, Job> jobs = new LinkedHashMap<>();
    final Map<String, RunPod> pods = new HashMap<>();
    final List<String> created = new ArrayList<>();
    final List<String> mixed = new ArrayList<>();
    int writes;
    int reads;
    int killBefore = -1;
    /** What the API server says to each Job that is to be created. */
    @Nullable KubernetesClientException refusal;

    final List<String> emitted = new ArrayList<>();
    private final List<LoraTraining> resources = new ArrayList<>();
    private final List<List<Job>> jobViews = new ArrayList<>();
    private final List<List<RunPod>> podViews = new ArrayList<>();
    private int heardResource;
    private int heardJobs;
    private int heardPods;
    private @Nullable Random random;

    FakeCluster(@Nullable Integer ttl) {
        resource.setMetadata(new ObjectMetaBuilder()
                .withNamespace("default")
                .withName("style")
                .withUid("uid-1")
                .withGeneration(1L)
                .withResourceVersion("1")
                .build());
        ObjectNode spec = Json.MAPPER.createObjectNode().put("retries", 1).put("ttlSecondsAfterFinished", ttl);
        spec.putObject("baseModel").put("uri", "bundled://emoji-sd");
        spec.putArray("datasets").addObject().put("uri", "pvc://photos/cats");
        resource.setSpec(Json.MAPPER.convertValue(spec, LoraTrainingSpec.class));
        remember();
    }

    /** Lets what is heard of resource, Jobs and pods lag behind what is there, each on its own and never backwards. */
    void lag(Random chance) {
        random = chance;
    }

    @Override
    public LoraTraining heard(String namespace, String name) {
        heardResource = later(heardResource, resources.size());
        return random == null ? copy() : resources.get(heardResource);
    }

    @Override
    public Observed heard(LoraTraining of) {
        if (random == null || jobViews.isEmpty()) {
            return observe(of);
        }
        heardJobs = later(heardJobs, jobViews.size());
        heardPods = later(heardPods, podViews.size());
        return Observed.of(jobViews.get(heardJobs), podViews.get(heardPods));
    }

    private int later(int heard, int known) {
        return random == null || known == 0 ? 0 : heard + random.nextInt(known - heard);
    }

    @Override
    public LoraTraining read(String namespace, String name) {
        reads++;
        return copy();
    }

    @Override
    public Observed observe(LoraTraining of) {
        return Observed.of(List.copyOf(jobs.values()), List.copyOf(pods.values()));
    }

    @Override
    public LoraTraining apply(LoraTraining of, Action action) throws NameTakenException, RefusedException {
        if (writes++ == killBefore) {
            throw new Killed();
        }
        if (refusal != null && action instanceof Action.CreateJob create) {
            throw RefusedException.of("Job " + create.job().getMetadata().getName(), refusal);
        }
        if (action instanceof Action.CreateJob create) {
            create(create.job());
        } else if (action instanceof Action.WriteStatus write) {
            if (!of.getMetadata()
                    .getResourceVersion()
                    .equals(resource.getMetadata().getResourceVersion())) {
                throw new KubernetesClientException("the object has been modified", 409, null);
            }
            resource.setStatus(write.status());
            changed();
            return copy();
        } else if (action instanceof Action.DeleteJob delete) {
            boolean settled = resource.getStatus().stages().stream()
                    .allMatch(s -> !s.jobName().equals(delete.name()) || s.outcome() != null);
            if (!settled) {
                mixed.add(delete.name() + " was deleted before its outcome was written");
            }
            jobs.remove(delete.name());
            pods.remove(delete.name());
        } else if (action instanceof Action.Emit emit) {
            emitted.add(emit.reason());
        }
        remember();
        return of;
    }

    /** Someone wrote the resource. */
    void changed() {
        ObjectMeta metadata = new ObjectMetaBuilder(resource.getMetadata())
                .withResourceVersion(
                        Integer.toString(Integer.parseInt(resource.getMetadata().getResourceVersion()) + 1))
                .build();
        resource.setMetadata(metadata);
        remember();
    }

    private LoraTraining copy() {
        LoraTraining copy = new LoraTraining();
        copy.setMetadata(resource.getMetadata());
        copy.setSpec(resource.getSpec());
        copy.setStatus(resource.getStatus());
        return copy;
    }

    private void remember() {
        resources.add(copy());
        jobViews.add(List.copyOf(jobs.values()));
        podViews.add(List.copyOf(pods.values()));
    }

    private void create(Job job) throws NameTakenException {
        Job there = jobs.get(name(job));
        if (there == null) {
            created.add(name(job));
            jobs.put(name(job), job);
        } else if (!Names.owned(there, "uid-1")) {
            throw new NameTakenException(new Taken("Job", name(job), "", Taken.Owner.STRANGER, false));
        }
    }

    private static String name(HasMetadata object) {
        return object.getMetadata().getName();
    }

    /** Ends every running Job: those in {@code exitCodes} with that code, others well. */
    void endJobs(Map<String, Integer> exitCodes) {
        jobs.replaceAll((name, job) -> {
            if (job.getStatus() != null) {
                return job;
            }
            int code = exitCodes.getOrDefault(name, 0);
            pods.put(name, Pods.ended(name, code, null, code == 0 ? result(job) : null));
            return new JobBuilder(job)
                    .withNewStatus()
                    .addNewCondition()
                    .withType(code == 0 ? "Complete" : "Failed")
                    .withStatus("True")
                    .endCondition()
                    .endStatus()
                    .build();
        });
        remember();
    }

    private static String result(Job job) {
        Map<String, String> labels = job.getMetadata().getLabels();
        String[] parts = name(job).split("-", 3);
        String stage = parts[1].substring(0, 1).toUpperCase(Locale.ROOT) + parts[1].substring(1);
        return "{'version':'lora.training/result/v1','runId':'%s','stage':'%s','attempt':%s,'outcome':'Succeeded'}"
                .formatted(labels.get(Names.RUN_ID), stage, parts[2])
                .replace('\'', '"');
    }

    static Instant start() {
        return Instant.parse("2026-01-01T00:00:00Z");
    }
}
