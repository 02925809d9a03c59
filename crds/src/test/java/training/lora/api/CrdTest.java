package training.lora.api;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CrdTest {
    private static final Path COMMITTED =
            Path.of("src/main/resources/META-INF/fabric8/loratrainings.lora.training-v1.yml");

    /** A chart has no file from elsewhere. */
    private static final Path IN_CHART = Path.of("../charts/lora-operator/files/crd.yaml");

    private static final Path TABLE = Path.of("../docs/fields.md");

    /** What a rule reads of its object; a call of a function ends it. */
    private static final Pattern READ = Pattern.compile("\\bself(\\.[a-zA-Z0-9]+)+");

    @TempDir
    Path folder;

    @Test
    void committedCrdIsWhatTheRecordsSay() throws IOException {
        String generated = CrdWriter.write(folder);

        if (Boolean.getBoolean("crd.update")) {
            Files.writeString(COMMITTED, generated);
            Files.writeString(IN_CHART, generated);
        }

        assertThat(Files.readString(COMMITTED)).isEqualTo(generated);
        assertThat(IN_CHART).hasSameTextualContentAs(COMMITTED);
    }

    @Test
    void theTableOfFieldsIsTheCrds() throws IOException {
        String table = FieldTable.of(Json.STRICT_YAML.readTree(CrdWriter.write(folder)));

        if (Boolean.getBoolean("crd.update")) {
            Files.writeString(TABLE, table);
        }

        assertThat(TABLE).hasContent(table);
    }

    /** A rule that reads a field which is not there is an error on the API server: "no such key". */
    @Test
    void whatARuleReadsIsThereOrAskedFor() throws IOException {
        List<String> wrong = new ArrayList<>();
        check(Json.STRICT_YAML.readTree(CrdWriter.write(folder)).at("/spec/versions/0/schema/openAPIV3Schema"), wrong);

        assertThat(wrong).isEmpty();
    }

    private static void check(JsonNode schema, List<String> wrong) {
        for (JsonNode entry : schema.path("x-kubernetes-validations")) {
            String rule = entry.get("rule").asText();
            Matcher read = READ.matcher(rule);
            while (read.find()) {
                check(schema, rule, List.of(read.group().split("\\.")), wrong);
            }
        }
        schema.path("properties").forEach(property -> check(property, wrong));
        if (schema.path("items").isObject()) {
            check(schema.get("items"), wrong);
        }
    }

    /** @param path what the rule reads, self first */
    private static void check(JsonNode schema, String rule, List<String> path, List<String> wrong) {
        JsonNode at = schema;
        for (int i = 1; i < path.size() && at.path("properties").has(path.get(i)); i++) {
            String name = path.get(i);
            boolean required = false;
            for (JsonNode one : at.path("required")) {
                required |= one.asText().equals(name);
            }
            String read = String.join(".", path.subList(0, i + 1));
            JsonNode field = at.get("properties").get(name);
            if (!required && !field.has("default") && !rule.contains("has(" + read + ")")) {
                wrong.add(read + " in: " + rule);
            }
            at = field;
        }
    }
}
