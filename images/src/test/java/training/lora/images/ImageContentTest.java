package training.lora.images;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What is in the images, and what isn't. */
class ImageContentTest {
    @TempDir
    static Path folder;

    private static final Map<String, UnpackedImage> IMAGES = new HashMap<>();

    /** What an archive may have. */
    private static final Map<String, Long> MEGABYTES =
            Map.of(OperatorImage.NAME, 100L, CpuNatives.NAME, 250L, CudaNatives.NAME, 2_900L);

    @BeforeAll
    static void unpack() throws Exception {
        for (String name : images()) {
            IMAGES.put(name, UnpackedImage.unpack(name, folder.resolve(name)));
        }
    }

    static List<String> images() {
        return Project.images();
    }

    private static UnpackedImage image(String name) {
        return Objects.requireNonNull(IMAGES.get(name));
    }

    @ParameterizedTest
    @MethodSource("images")
    void itIsSmall(String name) {
        long megabytes = UnpackedImage.archive(name).toFile().length() / 1_000_000;

        assertThat(megabytes).isBetween(1L, Objects.requireNonNull(MEGABYTES.get(name)));
    }

    @ParameterizedTest
    @MethodSource("images")
    void javaIsTheOnlyProgram(String name) throws IOException {
        List<String> programs = image(name).files().stream()
                .filter(file ->
                        image(name).root().resolve(file.substring(1)).toFile().canExecute())
                .toList();

        // As root all that has any x.
        assertThat(programs)
                .containsExactly("/lib64/ld-linux-x86-64.so.2", "/opt/java/bin/java", "/opt/java/lib/jspawnhelper");
    }

    @ParameterizedTest
    @MethodSource("images")
    void theSbomNamesPackagesAndJarsWithTheirVersions(String name) throws Exception {
        UnpackedImage image = image(name);
        String label = image.config().at("/Labels/training.lora.sbom").asText();
        Path inside = image.root().resolve(label.substring(1));
        assertThat(inside).hasSameTextualContentAs(Project.HOME.resolve("images/" + name + ".cdx.json"));
        List<String> purls = new ArrayList<>();
        for (JsonNode component : new ObjectMapper().readTree(inside.toFile()).get("components")) {
            purls.add(component.get("purl").asText());
        }

        String libc =
                Commands.output("dpkg-query", "-W", "-f", "${Version}", "libc6").replace("+", "%2B");
        assertThat(purls).anyMatch(purl -> purl.startsWith("pkg:deb/debian/libc6@" + libc + "?"));
        assertThat(purls).anyMatch(purl -> purl.startsWith("pkg:deb/debian/openjdk-17-j"));
        long jars = image.files().stream()
                .filter(file -> file.endsWith(".jar") && file.contains("lib/") || file.contains("/crds"))
                .filter(file -> file.startsWith("/opt/lora"))
                .count();
        assertThat(purls.stream().filter(purl -> purl.startsWith("pkg:maven/")).count())
                .isEqualTo(jars);
        assertThat(purls.stream().filter(purl -> purl.startsWith("pkg:pypi/")).count())
                .isEqualTo(image.files().stream()
                        .filter(file -> file.endsWith(".dist-info/METADATA"))
                        .count());
    }

    @ParameterizedTest
    @MethodSource("images")
    void itsUserIsANumberAndItsLabelsAreOcis(String name) {
        JsonNode config = image(name).config();

        assertThat(config.get("User").asText()).isEqualTo("65532:65532");
        assertThat(config.at("/Labels/org.opencontainers.image.version").asText())
                .isEqualTo(Project.BUILD.version());
        assertThat(config.get("Env")).anyMatch(variable -> variable.asText().equals("LC_ALL=C.UTF-8"));
    }

    /** Of Debian's package alone: no authority of the build machine's administrator. */
    @ParameterizedTest
    @MethodSource("images")
    void certificatesAreThoseOfDebian(String name) throws Exception {
        String pem = Files.readString(image(name).root().resolve("etc/ssl/certs/ca-certificates.crt"));
        long packaged = Commands.output("dpkg-query", "-L", "ca-certificates")
                .lines()
                .filter(line -> line.startsWith("/usr/share/ca-certificates/") && line.endsWith(".crt"))
                .count();

        assertThat(pem.split("BEGIN CERTIFICATE", -1)).hasSize((int) packaged + 1);
    }
}
