package training.lora.local.kubelet;

import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.EnvVar;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaim;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.ServiceAccountTokenProjection;
import io.fabric8.kubernetes.api.model.Volume;
import io.fabric8.kubernetes.api.model.VolumeMount;
import io.fabric8.kubernetes.api.model.VolumeProjection;
import io.fabric8.kubernetes.api.model.authentication.TokenRequestBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * The folder that stands for a container's root: a link for each mount path, leading to its volume. A value that is a
 * mount path, lies below one or is a parent of one is rewritten to lie in this folder, so that a program which takes its
 * paths from arguments and variables needs no container.
 */
final class PodRoot {
    private final KubernetesClient client;
    private final Claims claims;
    private final Pod pod;
    private final Container container;
    private final Path dir;
    private final Path root;

    PodRoot(KubernetesClient client, Claims claims, Pod pod, Path dir) {
        this.client = client;
        this.claims = claims;
        this.pod = pod;
        this.container = pod.getSpec().getContainers().get(0);
        this.dir = dir;
        this.root = dir.resolve("root");
    }

    /** The file that the container may leave its last words in. */
    Path terminationMessage() {
        return root.resolve(container.getTerminationMessagePath().substring(1));
    }

    /** Whether all that the pod mounts is there; else what is missing, in a kubelet's words. */
    List<String> missing() {
        List<String> missing = new ArrayList<>();
        for (Volume volume : pod.getSpec().getVolumes()) {
            VolumeFiles.of(volume, client, namespace()).stream()
                    .map(VolumeFiles::missing)
                    .filter(Objects::nonNull)
                    .forEach(missing::add);
            if (volume.getPersistentVolumeClaim() != null) {
                String name = volume.getPersistentVolumeClaim().getClaimName();
                PersistentVolumeClaim claim = claim(name);
                if (claim == null || !"Bound".equals(claim.getStatus().getPhase())) {
                    missing.add("persistentvolumeclaim \"" + name + "\" not found or not bound");
                }
            }
        }
        return missing;
    }

    private String namespace() {
        return pod.getMetadata().getNamespace();
    }

    private PersistentVolumeClaim claim(String name) {
        return client.persistentVolumeClaims()
                .inNamespace(namespace())
                .withName(name)
                .get();
    }

    /** Makes folders and links. */
    void mount() throws IOException, NotSupportedException {
        Files.createDirectories(terminationMessage().getParent());
        Files.writeString(terminationMessage(), "");
        Map<String, Path> folders = new HashMap<>();
        for (Volume volume : pod.getSpec().getVolumes()) {
            folders.put(volume.getName(), folder(volume));
        }
        for (VolumeMount mount : container.getVolumeMounts()) {
            Path target = folders.get(mount.getName());
            if (target == null) {
                throw new IOException("volumeMounts names the volume " + mount.getName() + ", which the pod lacks");
            }
            if (mount.getSubPath() != null && !mount.getSubPath().isEmpty()) {
                target = below(target, mount.getSubPath());
                Files.createDirectories(target);
            }
            Path link = below(root, mount.getMountPath().substring(1));
            Files.createDirectories(link.getParent());
            Files.createSymbolicLink(link, target);
        }
    }

    private Path folder(Volume volume) throws IOException, NotSupportedException {
        if (volume.getPersistentVolumeClaim() != null) {
            return claims.bind(claim(volume.getPersistentVolumeClaim().getClaimName()));
        }
        Path folder = Files.createDirectories(dir.resolve("volumes").resolve(volume.getName()));
        Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwx------"));
        for (VolumeFiles files : VolumeFiles.of(volume, client, namespace())) {
            files.write(folder);
        }
        if (volume.getProjected() != null) {
            for (VolumeProjection source : volume.getProjected().getSources()) {
                if (source.getServiceAccountToken() != null) {
                    writeToken(
                            source.getServiceAccountToken(),
                            below(folder, source.getServiceAccountToken().getPath()));
                } else if (source.getConfigMap() == null && source.getSecret() == null) {
                    throw new NotSupportedException(
                            "a projected volume of anything but serviceAccountToken, configMap and secret ("
                                    + volume.getName() + ")");
                }
            }
        } else if (volume.getConfigMap() == null && volume.getSecret() == null && volume.getEmptyDir() == null) {
            throw new NotSupportedException("the kind of volume " + volume.getName());
        }
        return folder;
    }

    /** Once: in this cluster a token is good as long as its pod is there. */
    private void writeToken(ServiceAccountTokenProjection source, Path file) throws IOException {
        String token = client.serviceAccounts()
                .inNamespace(namespace())
                .withName(Objects.requireNonNullElse(pod.getSpec().getServiceAccountName(), "default"))
                .tokenRequest(new TokenRequestBuilder()
                        .withNewSpec()
                        .withAudiences(source.getAudience())
                        .withNewBoundObjectRef()
                        .withApiVersion("v1")
                        .withKind("Pod")
                        .withName(pod.getMetadata().getName())
                        .withUid(pod.getMetadata().getUid())
                        .endBoundObjectRef()
                        .endSpec()
                        .build())
                .getStatus()
                .getToken();
        Files.createFile(file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        Files.writeString(file, token);
    }

    static Path below(Path folder, String path) throws IOException {
        Path result = folder.resolve(path).normalize();
        if (!result.startsWith(folder)) {
            throw new IOException("the path " + path + " leads out of its folder");
        }
        return result;
    }

    /** The container's arguments and variables, as a process of this machine needs them. */
    List<String> arguments() {
        return container.getArgs().stream().map(this::rewrite).toList();
    }

    Map<String, String> environment() throws NotSupportedException {
        if (!container.getEnvFrom().isEmpty()) {
            throw new NotSupportedException("envFrom");
        }
        Map<String, String> environment = new HashMap<>();
        for (EnvVar variable : container.getEnv()) {
            if (variable.getValueFrom() != null) {
                throw new NotSupportedException("env valueFrom (" + variable.getName() + ")");
            }
            environment.put(variable.getName(), rewrite(Objects.requireNonNullElse(variable.getValue(), "")));
        }
        return environment;
    }

    private String rewrite(String value) {
        boolean isOurs = value.startsWith("/")
                && value.length() > 1
                && (concerns(value, container.getTerminationMessagePath())
                        || container.getVolumeMounts().stream().anyMatch(m -> concerns(value, m.getMountPath())));
        return isOurs ? root + value : value;
    }

    private static boolean concerns(String value, String mountPath) {
        Path path = Path.of(value);
        return path.startsWith(mountPath) || Path.of(mountPath).startsWith(path);
    }
}
