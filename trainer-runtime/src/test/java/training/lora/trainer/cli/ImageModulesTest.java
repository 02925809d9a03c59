package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Reason;
import training.lora.trainer.source.TestServer;

/** A trainer's image has a Java of few modules, in which what fetches must run as well. */
class ImageModulesTest {
    private static final Path IMAGE = Path.of("../images/src/main/java/training/lora/images/TrainerImage.java");

    @TempDir
    Path folder;

    private static String modules() throws IOException {
        String list = Files.readString(IMAGE).replaceAll("(?s).*MODULES = List\\.of\\((.*?)\\);.*", "$1");
        Matcher names = Pattern.compile("\"([a-z.]+)\"").matcher(list);
        return names.results().map(name -> name.group(1)).collect(Collectors.joining(","));
    }

    @Test
    void urlsAreFetchedWithTheModulesOfTheImage() throws Exception {
        try (TestServer server = new TestServer()) {
            server.file("/model", "<html>log in</html>".getBytes(StandardCharsets.US_ASCII), "\"1\"");
            TinyRun tiny = TinyRun.create(folder, "steps: 1");

            Process process = tiny.startWith(
                    java.util.List.of("JDK_JAVA_OPTIONS=--limit-modules " + modules(), "HOME=" + folder),
                    "prepare",
                    "--set",
                    "baseModel.uri=" + server.url("/model"));

            assertThat(process.waitFor())
                    .as(Files.readString(tiny.log()))
                    .isEqualTo(Reason.InvalidBaseModel.exitCode());
            assertThat(Files.readString(tiny.log()))
                    .contains("model is a web page (HTML)")
                    .contains("java.naming");
        }
    }
}
