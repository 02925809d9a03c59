package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.Volume;
import io.fabric8.kubernetes.api.model.VolumeBuilder;
import io.fabric8.kubernetes.api.model.VolumeMount;
import io.fabric8.kubernetes.api.model.VolumeMountBuilder;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.DatasetSpec;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingSpec;

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

    private static final long TOKEN_SECONDS = 3600;

    static PodVolumes of(StageAttempt attempt, @Nullable String authorities) {
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
        pod.sources(resource);
        return pod;
    }

    private void sources(LoraTraining resource) {
        int i = 0;
        for (String claim : claims(resource.getSpec())) {
            String volume = "workspace";
            if (!claim.equals(Names.claim(resource))) {
                volume = "source-" + i++;
                volumes.add(claim(volume, claim, true).build());
            }
            mounts.add(mount(volume, CLAIMS + "/" + claim).withReadOnly(true).build());
        }
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

    /** The claims that {@code pvc://CLAIM/…} names. */
    static Set<String> claims(LoraTrainingSpec spec) {
        Stream<@Nullable String> uris = Stream.concat(
                Stream.of(
                        spec.baseModel().uri(),
                        spec.baseModel().vae() == null
                                ? null
                                : spec.baseModel().vae().uri(),
                        spec.evaluation().clip() == null
                                ? null
                                : spec.evaluation().clip().uri(),
                        spec.training().initFrom() == null
                                ? null
                                : spec.training().initFrom().uri()),
                spec.datasets().stream().map(DatasetSpec::uri));
        Set<String> claims = new TreeSet<>();
        uris.filter(Objects::nonNull).forEach(uri -> {
            if (uri.startsWith("pvc://")) {
                claims.add(uri.substring("pvc://".length()).replaceFirst("/.*", ""));
            }
        });
        return claims;
    }
}
