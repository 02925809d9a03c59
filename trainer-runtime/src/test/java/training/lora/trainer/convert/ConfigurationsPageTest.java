package training.lora.trainer.convert;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The tables in docs/configurations.md are those that the code has; {@code -Dconfigurations.update=true} writes them. */
class ConfigurationsPageTest {
    private static final Path PAGE = Path.of("../docs/configurations.md");

    @ParameterizedTest
    @EnumSource
    void thePageHasTheTable(Tool tool) throws IOException {
        String page = Files.readString(PAGE);
        Pattern place = Pattern.compile("(?s)(<!-- table " + tool.id() + " -->\n).*?(<!-- end -->)");

        String written = place.matcher(page)
                .replaceFirst(found -> Matcher.quoteReplacement(found.group(1) + table(tool) + found.group(2)));

        Kept.requireSame(written, PAGE);
    }

    private static String table(Tool tool) {
        StringBuilder table = new StringBuilder("| option | field | |\n|---|---|---|\n");
        OptionTable.read(tool.id())
                .options()
                .forEach((key, option) -> table.append("| `%s` | %s | %s |\n"
                        .formatted(
                                key,
                                option.to() == null ? "" : "`" + option.to().replace(", ", "`, `") + "`",
                                words(option).replace("|", "\\|").replace("<", "&lt;"))));
        return table.toString();
    }

    private static String words(Option option) {
        StringBuilder words = new StringBuilder();
        if (option.of() != null) {
            words.append("of `").append(String.join("`, `", option.of())).append("`");
        }
        if (option.note() != null) {
            words.append(words.isEmpty() ? "" : "; ").append(option.note());
        }
        if (option.ignored() != null) {
            words.append(words.isEmpty() ? "" : "; ").append("no effect: ").append(option.ignored());
        }
        if (option.refused() != null) {
            words.append(words.isEmpty() ? "" : "; ").append("refused");
            if (option.refuses() != null) {
                words.append(" where it is such as `")
                        .append(option.refuses().asText())
                        .append("`");
            }
            words.append(": ").append(option.refused());
        }
        return words.toString();
    }
}
