package training.lora.images;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import training.lora.local.LocalCluster;

/** Containers of the images: a user without a name, and a root file system that can only be read. */
class ContainerTest {
    static List<String> trainers() {
        return Project.trainers();
    }

    /** That for cards too: without one it trains on the processor, by natives that load all of CUDA's libraries. */
    @ParameterizedTest(allowZeroInvocations = true)
    @MethodSource("trainers")
    void theTrainerTrains(String name, @TempDir Path folder) throws Exception {
        UnpackedImage image = UnpackedImage.unpack(name, folder.resolve("image"));
        Path workspace = Files.createDirectory(folder.resolve("workspace"));
        Files.setPosixFilePermissions(workspace, PosixFilePermissions.fromString("rwxrwxrwx"));
        Path spec = Files.createDirectory(folder.resolve("spec"));
        Files.writeString(spec.resolve("training.yaml"), """
                apiVersion: lora.training/v1alpha1
                kind: LoraTraining
                metadata: {name: try}
                spec:
                  baseModel: {uri: bundled://emoji-sd}
                  datasets: [{uri: bundled://fluent-style}]
                  preparation: {resolution: 64}
                  training: {steps: 2}
                  sampling: {steps: 1, prompts: [{text: an emoji of a cat face, seed: 1}]}
                  evaluation: {enabled: false}
                """);
        Path log = folder.resolve("log");
        List<String> volumes = List.of(spec + ":/spec:ro", workspace + ":/workspace");
        List<String> arguments =
                List.of("run", "/spec/training.yaml", "--workspace", "/workspace/w", "--output", "/workspace/out");

        image.run(0, log, volumes, List.of("OMP_NUM_THREADS=999"), arguments);

        assertThat(workspace.resolve("out/try.safetensors")).isNotEmptyFile();
        assertThat(Files.readString(log))
                .contains(Runtime.getRuntime().availableProcessors() + " threads instead of OMP_NUM_THREADS's 999")
                .doesNotContain("Extracting");

        image.run(10, log, volumes, List.of("LORA_DEVICE=cuda"), arguments);

        assertThat(Files.readString(log))
                .contains(
                        name.equals(CudaNatives.NAME)
                                ? "but there is no NVIDIA driver (libcuda.so.1)"
                                : "but the natives that come with the trainer know no CUDA");
    }

    @Test
    void theOperatorBecomesReadyAndEndsWhenItIsTold(@TempDir Path folder) throws Exception {
        assumeThat(Project.images()).contains(OperatorImage.NAME);
        UnpackedImage image = UnpackedImage.unpack(OperatorImage.NAME, folder.resolve("image"));
        int port;
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
            port = free.getLocalPort();
        }
        Path log = folder.resolve("log");
        Path access = Files.createDirectory(folder.resolve("access"));
        try (LocalCluster cluster = LocalCluster.start(folder.resolve("cluster"), Map.of())) {
            cluster.installCrd();
            Path kubeconfig = Files.copy(cluster.kubeconfig(), access.resolve("kubeconfig"));
            Files.setPosixFilePermissions(kubeconfig, PosixFilePermissions.fromString("rw-r--r--"));
            Process operator = image.start(
                    log,
                    List.of(access + ":/access:ro"),
                    List.of(
                            "KUBECONFIG=/access/kubeconfig",
                            "QUARKUS_HTTP_HOST=127.0.0.1",
                            "QUARKUS_HTTP_PORT=" + port),
                    List.of());
            try {
                boolean ready = ready(operator, port);

                assertThat(ready).as(Files.readString(log)).isTrue();
            } finally {
                // unshare, the parent, ignores it.
                operator.children().forEach(ProcessHandle::destroy);
            }
            assertThat(operator.waitFor(20, TimeUnit.SECONDS)).isTrue();
        }
    }

    private static boolean ready(Process operator, int port) throws Exception {
        HttpClient http =
                HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        HttpRequest request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + "/q/health/ready"))
                .build();
        for (int tries = 0; tries < 900 && operator.isAlive(); tries++) {
            try {
                if (http.send(request, HttpResponse.BodyHandlers.discarding()).statusCode() == 200) {
                    return true;
                }
            } catch (java.io.IOException e) {
                // It doesn't listen yet.
            }
            Thread.sleep(100);
        }
        return false;
    }
}
