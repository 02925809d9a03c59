package training.lora.operator.chart;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.LoraTraining;

/** The commands and files of docs/install.md. */
final class InstallPageTest {
    private static final Path PAGE = Path.of("../docs/install.md");
    private static final Pattern BLOCK = Pattern.compile("(?ms)^```(sh|yaml)\n(.*?)^```$");
    private static final Pattern NAME = Pattern.compile("\\A# (\\S+\\.yaml)\n");
    private static final YAMLMapper YAML = YAMLMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .build();

    private final List<String> commands = new ArrayList<>();
    private final Map<String, String> files = new LinkedHashMap<>();

    InstallPageTest() throws IOException {
        Matcher blocks = BLOCK.matcher(Files.readString(PAGE));
        while (blocks.find()) {
            String text = blocks.group(2);
            if (blocks.group(1).equals("sh")) {
                commands.addAll(text.replace("\\\n", " ").lines().toList());
            } else {
                Matcher name = NAME.matcher(text);
                assertThat(name.find())
                        .as("a file's name in its first line: %s", text)
                        .isTrue();
                files.put(name.group(1), text);
            }
        }
    }

    @Test
    void helmRendersWhatItSays(@TempDir Path folder) throws Exception {
        Helm.require();
        for (Map.Entry<String, String> file : files.entrySet()) {
            Files.writeString(folder.resolve(file.getKey()), file.getValue());
        }
        List<String> helms =
                commands.stream().filter(command -> command.startsWith("helm ")).toList();

        assertThat(helms).hasSizeGreaterThan(3);
        for (String command : helms) {
            List<String> words = new ArrayList<>();
            for (String word : command.strip().split(" +")) {
                String plain = word.replaceAll("^'|'$", "");
                words.add(files.containsKey(plain) ? folder.resolve(plain).toString() : plain);
            }
            assertThat(words.get(1)).isIn("install", "upgrade");
            words.set(1, "template");
            words.set(words.indexOf("charts/lora-operator"), Helm.CHART.toString());

            String rendered = Helm.run(words.subList(1, words.size()).toArray(String[]::new))
                    .ok();

            assertThat(rendered).contains("image: registry.example.com/lora/lora-operator:");
            if (command.contains("openshift.yaml")) {
                assertThat(rendered).doesNotContain("runAsUser");
            }
        }
    }

    @Test
    void itsTrainingsHaveTheApisFields() throws Exception {
        int trainings = 0;
        for (String text : files.values()) {
            JsonNode file = YAML.readTree(text);
            if (file.path("kind").asText().equals("LoraTraining")) {
                LoraTraining training = YAML.treeToValue(file, LoraTraining.class);
                assertThat(training.getSpec().runtime().image()).contains("lora-trainer");
                trainings++;
            }
        }

        assertThat(trainings).isPositive();
    }

    @Test
    void theFilesThatItsCommandsNameAreThere() {
        Pattern path = Pattern.compile("\\b(charts|examples)/[\\w./-]+");
        for (String command : commands) {
            Matcher named = path.matcher(command);
            while (named.find()) {
                assertThat(Path.of("..", named.group())).exists();
            }
        }
    }
}
