package training.lora.api;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class ReasonTest {
    private static final Path OPERATIONS = Path.of("../docs/operations.md");
    private static final Pattern EXIT_CODE = Pattern.compile("(?m)^\\| (\\d+) \\| (\\w+(?:, \\w+)*)[^|]*\\| (yes|no)");

    @Test
    void operationsHasEveryExitCodeWithItsReasonsAndWhetherItIsTriedAgain() throws IOException {
        Map<Integer, String> rows = new TreeMap<>();
        Matcher row = EXIT_CODE.matcher(Files.readString(OPERATIONS));
        while (row.find()) {
            rows.put(Integer.parseInt(row.group(1)), row.group(2) + ": " + row.group(3));
        }

        Map<Integer, String> expected = new TreeMap<>();
        for (Reason reason : Reason.values()) {
            if (reason.exitCode() > 0) {
                expected.merge(
                        reason.exitCode(),
                        reason + ": " + (reason.retriable() ? "yes" : "no"),
                        (first, second) -> first.replace(":", ", " + reason + ":"));
            }
        }
        assertThat(rows).isEqualTo(expected);
    }

    @Test
    void operationsSaysOfEveryReasonOfAFailureWhatItMeans() throws IOException {
        String failures = Files.readAllLines(OPERATIONS).stream()
                .filter(line -> line.startsWith("| Failed |"))
                .map(line -> line.split("\\|")[2])
                .collect(Collectors.joining(","));

        assertThat(new TreeSet<>(Arrays.asList(failures.strip().split("\\s*,\\s*"))))
                .containsExactlyElementsOf(Arrays.stream(Reason.values())
                        // They are followed by another attempt, always.
                        .filter(reason -> reason != Reason.Superseded && reason != Reason.InvalidCaptions)
                        .map(Reason::name)
                        .sorted()
                        .toList());
    }
}
