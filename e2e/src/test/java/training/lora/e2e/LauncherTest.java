package training.lora.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.Json;

/** bin/lora-trainer and bin/build, where containers and other people's machines run them. */
class LauncherTest {
    /** Builds a project of the same outline, whose build takes a second. */
    @Test
    void buildWritesNoTerminalCodesToAFile(@TempDir Path dir) throws Exception {
        String pom = """
                <project><modelVersion>4.0.0</modelVersion><groupId>a</groupId><artifactId>%s</artifactId><version>1</version>
                <packaging>pom</packaging>%s</project>
                """;
        Files.writeString(dir.resolve("pom.xml"), pom.formatted("all", "<modules><module>part</module></modules>"));
        Files.createDirectories(dir.resolve("part/target"));
        Files.writeString(dir.resolve("part/pom.xml"), pom.formatted("part", ""));
        Path build = Files.createDirectories(dir.resolve("bin")).resolve("build");
        Files.copy(TestCluster.HOME.resolve("bin/build"), build, StandardCopyOption.COPY_ATTRIBUTES);
        Path log = dir.resolve("log");

        Process process = new ProcessBuilder(build.toString(), "part/target/made", "part")
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();

        assertThat(process.waitFor(120, TimeUnit.SECONDS)).isTrue();
        assertThat(log).hasContent("building part; the first time this takes some minutes\n");
        assertThat(process.exitValue()).isZero();
        assertThat(dir.resolve("part/target/made")).exists();
    }

    /** A stand-in for java shows the environment in which it is started. */
    @Test
    void theTrainersSettingsAreInItsEnvironmentUnlessTheCallerHasOthers(@TempDir Path dir) throws Exception {
        Path java = Files.writeString(dir.resolve("java"), "#!/bin/sh\nenv\necho \"$@\"\n");
        assertThat(java.toFile().setExecutable(true)).isTrue();
        Path log = dir.resolve("log");
        ProcessBuilder builder = new ProcessBuilder(
                        TestCluster.HOME.resolve("bin/lora-trainer").toString(), "--version")
                .redirectErrorStream(true)
                .redirectOutput(log.toFile());
        Map<String, String> environment = builder.environment();
        environment.put("PATH", dir + ":" + environment.get("PATH"));
        environment.put("GOMP_SPINCOUNT", "7");
        environment.remove("OMP_WAIT_POLICY");
        environment.remove("GLIBC_TUNABLES");

        Process trainer = builder.start();

        assertThat(trainer.waitFor(120, TimeUnit.SECONDS)).isTrue();
        assertThat(Files.readAllLines(log))
                .contains(
                        "OMP_WAIT_POLICY=PASSIVE",
                        "GOMP_SPINCOUNT=7",
                        "GLIBC_TUNABLES=glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=4294967296"
                                + ":glibc.malloc.arena_max=1:glibc.malloc.hugetlb=1")
                .anyMatch(line -> line.startsWith("@" + TestCluster.HOME.resolve("bin/trainer.args")));
    }

    /** Of a machine without locales, and one that it doesn't have. */
    @ParameterizedTest
    @ValueSource(strings = {"C", "POSIX", "fa_IR"})
    void namesAndCaptionsMayBeOfAnyScriptInAnyLocale(String locale, @TempDir Path dir) throws Exception {
        Path pictures = Files.createDirectories(dir.resolve("Bilder für später/猫 🐱"));
        Path source = TestCluster.HOME.resolve("examples/bundled/fluent-style/bat.png");
        Files.copy(source, pictures.resolve("gató.png"));
        Files.writeString(pictures.resolve("gató.txt"), "кошка, 猫");
        Path yaml = Files.writeString(dir.resolve("ünser.yaml"), """
                apiVersion: lora.training/v1alpha1
                kind: LoraTraining
                metadata: {name: try}
                spec:
                  baseModel: {uri: bundled://emoji-sd}
                  datasets: [{uri: "Bilder für später"}]
                  preparation: {resolution: 64}
                  training: {steps: 1}
                  evaluation: {enabled: false}
                """);
        Path log = dir.resolve("log");
        ProcessBuilder builder = new ProcessBuilder(
                        TestCluster.HOME.resolve("bin/lora-trainer").toString(),
                        "prepare",
                        yaml.toString(),
                        "--workspace",
                        dir.resolve("œuvre").toString())
                .redirectErrorStream(true)
                .redirectOutput(log.toFile());
        Map<String, String> environment = builder.environment();
        environment.put("LC_ALL", locale);

        Process trainer = builder.start();

        assertThat(trainer.waitFor(120, TimeUnit.SECONDS)).isTrue();
        assertThat(trainer.exitValue()).as(Files.readString(log)).isZero();
        JsonNode sample = Json.MAPPER
                .readTree(dir.resolve("œuvre/dataset/manifest.json").toFile())
                .at("/samples/0");
        assertThat(sample.get("name").asText()).isEqualTo("main/猫 🐱/gató.png");
        assertThat(sample.get("caption").asText()).isEqualTo("кошка, 猫");
    }
}
