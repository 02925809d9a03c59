package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.ProjectedVolumeSourceBuilder;
import io.fabric8.kubernetes.api.model.Volume;
import io.fabric8.kubernetes.api.model.VolumeBuilder;
import io.fabric8.kubernetes.api.model.VolumeMount;
import io.fabric8.kubernetes.api.model.VolumeMountBuilder;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.RuntimeSpec;
import training.lora.api.SourceSpec;
import training.lora.api.Stage;

/**
 * A stage's volumes and where its container finds them. A claim is one volume, however often it is named: kubelets before
 * 1.35 never start a pod that has it twice.
 */
record PodVolumes(List<Volume> volumes, List<VolumeMount> mounts) {
    static final String SPEC = "/run/lora/spec";
    static final String TOKEN = "/run/lora/token";
    static final String AUTHORITIES = "/run/lora/ca";
    static final String WORKSPACE = "/workspace";
    static final String CLAIMS = "/pvc";
    static final String CACHE = "/cache";
    static final String SECRETS = "/secrets";

    /** The keys of a Secret that trainers read; others don't reach the pod. */
    private static final List<String> KEYS = List.of(
            "token",
            "username",
            "password",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_REGION",
            "AWS_ENDPOINT_URL");

    private static final int READABLE = 0444;

    private static final long TOKEN_SECONDS = 3600;

    static PodVolumes of(StageAttempt attempt, PodSettings settings) {
        String authorities = settings.authorities();
        LoraTraining resource = attempt.resource();
        PodVolumes pod = new PodVolumes(new ArrayList<>(), new ArrayList<>());
        pod.add(
                new VolumeBuilder()
                        .withName("spec")
                        .withNewConfigMap()
                        .withName(Names.runSpec(resource, attempt.runId()))
                        .endConfigMap(),
                mount("spec", SPEC).withReadOnly(true));
        pod.add(
                claim("workspace", Names.claim(resource), null),
                mount("workspace", WORKSPACE).withSubPath(Names.subPath(resource)));
        pod.add(
                new VolumeBuilder()
                        .withName("token")
                        .withNewProjected()
                        .addNewSource()
                        .withNewServiceAccountToken()
                        .withAudience(attempt.audience())
                        .withExpirationSeconds(TOKEN_SECONDS)
                        .withPath("token")
                        .endServiceAccountToken()
                        .endSource()
                        .endProjected(),
                mount("token", TOKEN).withReadOnly(true));
        if (authorities != null) {
            pod.add(
                    new VolumeBuilder()
                            .withName("ca")
                            .withNewConfigMap()
                            .withName(authorities)
                            .endConfigMap(),
                    mount("ca", AUTHORITIES).withReadOnly(true));
        }
        // All else of the container's file system can't be written. The container's limit of ephemeral storage bounds
        // it.
        pod.add(new VolumeBuilder().withName("tmp").withNewEmptyDir().endEmptyDir(), mount("tmp", "/tmp"));
        pod.claims(resource, attempt.stage());
        pod.secrets(References.mounted(resource.getSpec(), attempt.stage(), settings));
        return pod;
    }

    /** Paths at which claims are mounted, beside the workspace's own, and whether they may be written there. */
    private void claims(LoraTraining resource, Stage stage) {
        Map<String, Map<String, Boolean>> pathsByClaim = new TreeMap<>();
        sources(resource.getSpec())
                .forEach((claim, written) -> paths(pathsByClaim, claim).put(CLAIMS + "/" + claim, written));
        RuntimeSpec runtime = resource.getSpec().runtime();
        if (runtime.cache() != null) {
            paths(pathsByClaim, runtime.cache().claimName()).put(CACHE, stage == Stage.Prepare);
        }
        int i = 0;
        for (Map.Entry<String, Map<String, Boolean>> claim : pathsByClaim.entrySet()) {
            String volume = "workspace";
            if (!claim.getKey().equals(Names.claim(resource))) {
                volume = "source-" + i++;
                boolean written = claim.getValue().containsValue(true);
                volumes.add(claim(volume, claim.getKey(), written ? null : true).build());
            }
            for (Map.Entry<String, Boolean> path : claim.getValue().entrySet()) {
                mounts.add(mount(volume, path.getKey())
                        .withReadOnly(path.getValue() ? null : true)
                        .build());
            }
        }
    }

    private static Map<String, Boolean> paths(Map<String, Map<String, Boolean>> all, String claim) {
        return all.computeIfAbsent(claim, key -> new TreeMap<>());
    }

    /**
     * Each Secret is a folder of the keys that trainers know, whichever of them it has. The training's Secrets are there, the
     * operator looked before it made the Job, but {@code optional} holds for a Secret and its keys alike; the platform's
     * captioner's need not be.
     */
    private void secrets(Set<String> names) {
        if (names.isEmpty()) {
            return;
        }
        ProjectedVolumeSourceBuilder all = new ProjectedVolumeSourceBuilder().withDefaultMode(READABLE);
        for (String name : names) {
            for (String key : KEYS) {
                all.addNewSource()
                        .withNewSecret()
                        .withName(name)
                        .withOptional(true)
                        .addNewItem()
                        .withKey(key)
                        .withPath(name + "/" + key)
                        .endItem()
                        .endSecret()
                        .endSource();
            }
        }
        add(
                new VolumeBuilder().withName("secrets").withProjected(all.build()),
                mount("secrets", SECRETS).withReadOnly(true));
    }

    private void add(VolumeBuilder volume, VolumeMountBuilder mount) {
        volumes.add(volume.build());
        mounts.add(mount.build());
    }

    private static VolumeBuilder claim(String volume, String claim, @Nullable Boolean readOnly) {
        return new VolumeBuilder().withName(volume).withNewPersistentVolumeClaim(claim, readOnly);
    }

    private static VolumeMountBuilder mount(String volume, String path) {
        return new VolumeMountBuilder().withName(volume).withMountPath(path);
    }

    /** The claims that {@code pvc://CLAIM/…} names, and whether the output is there, which each stage may write to. */
    static Map<String, Boolean> sources(LoraTrainingSpec spec) {
        Map<String, Boolean> written = new TreeMap<>();
        for (SourceSpec.Named named : SourceSpec.of(spec)) {
            add(written, named.source().uri(), false);
        }
        add(written, spec.output().uri(), true);
        return written;
    }

    private static void add(Map<String, Boolean> written, @Nullable String uri, boolean output) {
        if (uri != null && uri.startsWith("pvc://")) {
            written.merge(uri.substring("pvc://".length()).replaceFirst("/.*", ""), output, Boolean::logicalOr);
        }
    }
}
