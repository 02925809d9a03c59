package training.lora.local.kubelet;

import io.fabric8.kubernetes.api.model.ConfigMap;
import io.fabric8.kubernetes.api.model.ConfigMapProjection;
import io.fabric8.kubernetes.api.model.ConfigMapVolumeSource;
import io.fabric8.kubernetes.api.model.KeyToPath;
import io.fabric8.kubernetes.api.model.Secret;
import io.fabric8.kubernetes.api.model.SecretProjection;
import io.fabric8.kubernetes.api.model.SecretVolumeSource;
import io.fabric8.kubernetes.api.model.Volume;
import io.fabric8.kubernetes.api.model.VolumeProjection;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.ArrayList;
import java.util.Base64;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The files that a ConfigMap or a Secret becomes in a volume.
 *
 * @param kind as a kubelet's messages name it
 * @param name of the object
 * @param content by key; null: the object is not there
 * @param items which keys become which files; empty: all, by their names
 * @param mode of files whose item has none
 * @param optional whether object and keys may be missing
 */
record VolumeFiles(
        String kind,
        String name,
        @Nullable Map<String, byte[]> content,
        List<KeyToPath> items,
        int mode,
        boolean optional) {
    private static final int MODE = 0644;
    /** From the one of highest value, as modes have them. */
    private static final PosixFilePermission[] PERMISSIONS = {
        PosixFilePermission.OWNER_READ, PosixFilePermission.OWNER_WRITE, PosixFilePermission.OWNER_EXECUTE,
        PosixFilePermission.GROUP_READ, PosixFilePermission.GROUP_WRITE, PosixFilePermission.GROUP_EXECUTE,
        PosixFilePermission.OTHERS_READ, PosixFilePermission.OTHERS_WRITE, PosixFilePermission.OTHERS_EXECUTE
    };

    /** All of a volume, none if it is of another kind. */
    static List<VolumeFiles> of(Volume volume, KubernetesClient client, String namespace) {
        List<VolumeFiles> all = new ArrayList<>();
        ConfigMapVolumeSource map = volume.getConfigMap();
        if (map != null) {
            all.add(configMap(
                    client, namespace, map.getName(), map.getItems(), map.getDefaultMode(), map.getOptional()));
        }
        SecretVolumeSource secret = volume.getSecret();
        if (secret != null) {
            all.add(secret(
                    client,
                    namespace,
                    secret.getSecretName(),
                    secret.getItems(),
                    secret.getDefaultMode(),
                    secret.getOptional()));
        }
        if (volume.getProjected() != null) {
            Integer mode = volume.getProjected().getDefaultMode();
            for (VolumeProjection source : volume.getProjected().getSources()) {
                ConfigMapProjection ofMap = source.getConfigMap();
                if (ofMap != null) {
                    all.add(configMap(client, namespace, ofMap.getName(), ofMap.getItems(), mode, ofMap.getOptional()));
                }
                SecretProjection ofSecret = source.getSecret();
                if (ofSecret != null) {
                    all.add(secret(
                            client, namespace, ofSecret.getName(), ofSecret.getItems(), mode, ofSecret.getOptional()));
                }
            }
        }
        return all;
    }

    private static VolumeFiles configMap(
            KubernetesClient client,
            String namespace,
            String name,
            List<KeyToPath> items,
            @Nullable Integer mode,
            @Nullable Boolean optional) {
        ConfigMap map =
                client.configMaps().inNamespace(namespace).withName(name).get();
        Map<String, byte[]> content = map == null ? null : decoded(map.getBinaryData());
        if (content != null) {
            map.getData().forEach((key, text) -> content.put(key, text.getBytes(StandardCharsets.UTF_8)));
        }
        return new VolumeFiles(
                "configmap", name, content, items, mode == null ? MODE : mode, Boolean.TRUE.equals(optional));
    }

    private static VolumeFiles secret(
            KubernetesClient client,
            String namespace,
            String name,
            List<KeyToPath> items,
            @Nullable Integer mode,
            @Nullable Boolean optional) {
        Secret secret = client.secrets().inNamespace(namespace).withName(name).get();
        return new VolumeFiles(
                "secret",
                name,
                secret == null ? null : decoded(secret.getData()),
                items,
                mode == null ? MODE : mode,
                Boolean.TRUE.equals(optional));
    }

    private static Map<String, byte[]> decoded(@Nullable Map<String, String> base64) {
        Map<String, byte[]> content = new TreeMap<>();
        if (base64 != null) {
            base64.forEach((key, text) -> content.put(key, Base64.getDecoder().decode(text)));
        }
        return content;
    }

    /** What is missing, in a kubelet's words; null: nothing. */
    @Nullable String missing() {
        if (optional) {
            return null;
        }
        if (content == null) {
            return "%s \"%s\" not found".formatted(kind, name);
        }
        for (KeyToPath item : items) {
            if (!content.containsKey(item.getKey())) {
                return "%s \"%s\": references non-existent %s key: %s".formatted(kind, name, kind, item.getKey());
            }
        }
        return null;
    }

    void write(Path folder) throws IOException {
        if (content == null) {
            return;
        }
        if (items.isEmpty()) {
            for (Map.Entry<String, byte[]> file : content.entrySet()) {
                write(file.getValue(), PodRoot.below(folder, file.getKey()), mode);
            }
        }
        for (KeyToPath item : items) {
            byte[] file = content.get(item.getKey());
            if (file != null) {
                write(file, PodRoot.below(folder, item.getPath()), item.getMode() == null ? mode : item.getMode());
            }
        }
    }

    private static void write(byte[] content, Path file, int mode) throws IOException {
        Files.createDirectories(file.getParent());
        Files.write(file, content);
        Set<PosixFilePermission> permissions = EnumSet.noneOf(PosixFilePermission.class);
        for (int i = 0; i < PERMISSIONS.length; i++) {
            if ((mode & (1 << (PERMISSIONS.length - 1 - i))) != 0) {
                permissions.add(PERMISSIONS[i]);
            }
        }
        Files.setPosixFilePermissions(file, permissions);
    }
}
