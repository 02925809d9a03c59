package training.lora.e2e.cluster;

import com.fasterxml.jackson.databind.JsonNode;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.client.utils.KubernetesSerialization;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import training.lora.api.Artifact;
import training.lora.api.Json;
import training.lora.api.LoraTraining;

/** A training by {@code bin/lora-trainer} on this machine, for comparison. */
final class LocalRun {
    /** As the limits of the stages' pods are; bits depend on it. */
    private static final String THREADS = "2";

    private LocalRun() {}

    /** Runs it and returns the digests of its files by their paths below the output. */
    static Map<String, String> digests(Kube cluster, Path file, Path dir, Consumer<GenericKubernetesResource> change) {
        return digests(cluster, file, dir, change, Map.of());
    }

    /** The same with more in its environment. */
    static Map<String, String> digests(
            Kube cluster,
            Path file,
            Path dir,
            Consumer<GenericKubernetesResource> change,
            Map<String, String> environment) {
        Map<String, String> all = new TreeMap<>(environment);
        all.put("LC_ALL", "C.UTF-8");
        all.put("OMP_NUM_THREADS", THREADS);
        KubernetesSerialization yaml = cluster.client().getKubernetesSerialization();
        try (var text = Files.newInputStream(file)) {
            GenericKubernetesResource resource = yaml.unmarshal(text, GenericKubernetesResource.class);
            change.accept(resource);
            Path changed = Files.createDirectories(dir).resolve("training.yaml");
            Files.writeString(changed, yaml.asYaml(resource));
            Path output = dir.resolve("output");
            Evidence.write(
                    dir.resolve("log"),
                    cluster.scripts()
                            .run(
                                    List.of(
                                            Scripts.HOME
                                                    .resolve("bin/lora-trainer")
                                                    .toString(),
                                            "run",
                                            changed.toString(),
                                            "--output",
                                            output.toString()),
                                    all)
                            .ok());
            Map<String, String> digests = new TreeMap<>();
            JsonNode manifest =
                    Json.MAPPER.readTree(output.resolve("manifest.json").toFile());
            manifest.get("files")
                    .forEach(f ->
                            digests.put(f.get("uri").asText(), f.get("sha256").asText()));
            return digests;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The digests of a training's adapters, as its status has them, by their paths below the output. */
    static Map<String, String> adapters(LoraTraining training) {
        Map<String, String> digests = new TreeMap<>();
        for (Artifact artifact : training.getStatus().artifacts()) {
            if (artifact.format() != null) {
                digests.put(artifact.uri().replaceFirst("^pvc://[^/]*/output/", ""), artifact.sha256());
            }
        }
        return digests;
    }
}
