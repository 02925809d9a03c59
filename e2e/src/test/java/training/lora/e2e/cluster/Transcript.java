package training.lora.e2e.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/** Commands of kubectl as a user types them and what they answered, kept as a file among the logs. */
final class Transcript {
    private static final String PROMPT = "$ ";

    private final Kube cluster;
    private final Path file;

    Transcript(Kube cluster, String name) {
        this.cluster = cluster;
        file = cluster.logs().resolve("transcripts").resolve(name + ".txt");
        Evidence.write(file, "");
    }

    /** Runs a command that must succeed. */
    String run(String... arguments) {
        Scripts.Result result = cluster.kubectl(arguments);
        try {
            Files.writeString(
                    file,
                    PROMPT + "kubectl " + String.join(" ", arguments) + "\n" + result.output() + "\n",
                    StandardOpenOption.APPEND);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return result.ok();
    }

    /** The file's lines, with blanks joined, and answers without what differs from run to run. */
    private List<String> stable() {
        try {
            List<String> lines = new ArrayList<>();
            for (String line : Files.readAllLines(file)) {
                if (line.startsWith(PROMPT)) {
                    lines.add(line);
                    continue;
                }
                lines.add(line.replaceAll("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ", "<time>")
                        .replaceAll("\\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\\b", "<uid>")
                        .replaceAll("\\b[0-9a-f]{64}\\b", "<sha256>")
                        .replaceAll("\\b[0-9a-f]{16}\\b", "<id>")
                        .replaceAll("\\b(\\d+d)?(\\d+h)?(\\d+m)?\\d+[sm]\\b", "<age>")
                        .replaceAll("\\b\\d+\\.\\d{3,}\\b", "<number>")
                        .replaceAll("\\s+", " ")
                        .strip());
            }
            return lines;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Checks that the lines of a file stand in it in that order, whatever stands between them. */
    void mustHave(String resource) {
        try (var expected = Transcript.class.getResourceAsStream("/transcripts/" + resource + ".txt")) {
            if (expected == null) {
                throw new AssertionError("no transcripts/" + resource + ".txt");
            }
            List<String> lines = new String(expected.readAllBytes(), java.nio.charset.StandardCharsets.UTF_8)
                    .lines()
                    .map(l -> l.replaceAll("\\s+", " ").strip())
                    .filter(l -> !l.isEmpty())
                    .toList();
            assertThat(stable()).as(file.toString()).containsSubsequence(lines);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
