package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Json;
import training.lora.api.Manifest;
import training.lora.api.Reason;
import training.lora.trainer.Goldens;
import training.lora.trainer.tensor.Processor;

/** The report of a short training, end to end on the bundled model. */
class VerifyRealCommandTest {
    @TempDir
    Path folder;

    private String bundled(String name) {
        return Goldens.BUNDLED.resolve(name).toAbsolutePath().normalize().toString();
    }

    private int verify(String... more) throws IOException {
        Path data = Files.createDirectories(folder.resolve("data"));
        for (String name : List.of("bat.png", "bat.txt", "pear.png", "pear.txt")) {
            if (!Files.exists(data.resolve(name))) {
                Files.copy(Goldens.BUNDLED.resolve("fluent-style").resolve(name), data.resolve(name));
            }
        }
        List<String> arguments = new ArrayList<>(List.of("verify-real", "--data", data.toString()));
        arguments.addAll(List.of("--out", folder.resolve("report").toString(), "--steps", "3"));
        arguments.addAll(List.of("--set", "sampling.steps=2", "--set", "training.optimizer.learningRate=1e-3"));
        arguments.addAll(List.of(more));
        return Main.execute(arguments.toArray(String[]::new));
    }

    @Test
    void reportTellsSpeedMemoryLossMetricsAndDigestsOfTheRun() throws IOException {
        int code = verify("--base", bundled("emoji-sd"), "--clip", bundled("emoji-clip"));

        assertThat(code).isZero();
        Path report = folder.resolve("report/report.md");
        Manifest manifest = Json.MAPPER.readValue(
                folder.resolve("report/run/output/manifest.json").toFile(), Manifest.class);
        assertThat(manifest.spec().training().optimizer().learningRate()).isEqualTo(1e-3);
        assertThat(report)
                .content()
                .startsWith("# verify-real, 2")
                .contains("emoji-sd, family SD15 |")
                .contains("| its sha256 | " + manifest.baseModelDigest() + " |")
                .contains("2 pictures at 128 pixels")
                .contains("| device | cpu |")
                .contains("| precision | BFloat16" + (Processor.hasBFloat16() ? " |" : ", computed in Float32 |"))
                .contains("| training | 3 steps of 1 |")
                .containsPattern("\\| seconds a step \\| (0\\.\\d*[1-9]\\d*|[1-9]\\d*\\.\\d+) \\|")
                .containsPattern("\\| peak memory of the process \\| [1-9]\\d+ MiB \\|")
                .containsPattern("\\| loss over a fixed set, before and after \\| 0\\.0\\d+, 0\\.0\\d+ \\|")
                .contains("lora-trainer 0.")
                .contains("| step 3 | "
                        + manifest.checkpoints().get(0).metrics().get(0).value() + " |")
                .contains(manifest.files().stream()
                        .filter(f -> f.uri().equals("verify-real.safetensors"))
                        .findFirst()
                        .orElseThrow()
                        .sha256())
                .contains("learningRate: 0.001");
        assertThat(folder.resolve("report/samples.png"))
                .hasSameBinaryContentAs(folder.resolve("report/run/output/samples.png"));
    }

    @Test
    void withoutClipPicturesAreDrawnButNotMeasured() throws IOException {
        TinyRun.create(folder, "steps: 1");

        int code = verify("--base", folder.resolve("base").toString());

        assertThat(code).isZero();
        assertThat(folder.resolve("report/report.md"))
                .content()
                .contains("samples.png")
                .doesNotContain("textAlignment");
        assertThat(folder.resolve("report/samples.png")).isNotEmptyFile();
    }

    @Test
    void missingBaseModelEndsWithItsSentenceAndNoReport() throws IOException {
        PrintStream before = System.err;
        ByteArrayOutputStream error = new ByteArrayOutputStream();
        System.setErr(new PrintStream(error, true, StandardCharsets.UTF_8));
        int code;
        try {
            code = verify("--base", folder.resolve("nowhere").toString());
        } finally {
            System.setErr(before);
        }

        assertThat(code).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(error.toString(StandardCharsets.UTF_8)).contains("`spec.baseModel.uri`", "must name a folder");
        assertThat(folder.resolve("report/report.md")).doesNotExist();
    }

    @Test
    void othersTrainingYamlIsNotOverwritten() throws IOException {
        Path file = Files.createDirectories(folder.resolve("report")).resolve("training.yaml");
        Files.writeString(file, "metadata: {name: mine}");

        assertThat(verify("--base", bundled("emoji-sd"))).isEqualTo(10);

        assertThat(file).hasContent("metadata: {name: mine}");
    }

    @Test
    void cardIsNamedAndItsHighestMemoryKept() throws Exception {
        Path used = folder.resolve("used");
        Files.writeString(used, "700 MiB");
        Path command = Files.writeString(folder.resolve("smi"), """
                #!/bin/sh
                case "$1 $3" in
                *name*--id=1) echo "Some Card, 550.54, 24564 MiB"; echo "Second Card, 550.54, 8000 MiB" ;;
                *--id=1) cat %s ;;
                esac
                """.formatted(used));
        assertThat(command.toFile().setExecutable(true)).isTrue();

        try (GpuMonitor monitor = GpuMonitor.start(command.toString(), 1)) {
            Files.writeString(used, "900 MiB");
            long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
            while (monitor.peakMebibytes() < 900 && System.nanoTime() < deadline) {
                Thread.sleep(20);
            }
            Files.writeString(used, "100 MiB");

            assertThat(monitor.name()).hasValue("Some Card, 550.54, 24564 MiB");
            assertThat(monitor.peakMebibytes()).isEqualTo(900);
        }
    }

    @Test
    void machineWithoutCardHasNone() {
        try (GpuMonitor monitor =
                GpuMonitor.start(folder.resolve("no-such-program").toString(), 0)) {
            assertThat(monitor.name()).isEmpty();
            assertThat(monitor.peakMebibytes()).isZero();
        }
    }
}
