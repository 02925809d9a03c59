package training.lora.trainer.convert;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLGenerator;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.util.List;
import java.util.Map;

/**
 * A configuration as a LoraTraining. Whether it is a valid one is the reader's business, as it is with one that people write.
 *
 * @param tool whose it was
 * @param file its name, for messages
 * @param training the resource
 * @param warnings what its user should know
 * @param origins by field ({@code spec.training.steps}), the option that it came from
 */
public record Converted(
        Tool tool, String file, ObjectNode training, List<String> warnings, Map<String, String> origins) {
    private static final ObjectMapper YAML = YAMLMapper.builder()
            .disable(YAMLGenerator.Feature.WRITE_DOC_START_MARKER)
            .disable(YAMLGenerator.Feature.SPLIT_LINES)
            .enable(YAMLGenerator.Feature.MINIMIZE_QUOTES)
            .enable(YAMLGenerator.Feature.ALWAYS_QUOTE_NUMBERS_AS_STRINGS)
            .enable(JsonGenerator.Feature.WRITE_BIGDECIMAL_AS_PLAIN)
            .build();

    /** The resource as a file, with the warnings as comments. */
    public String yaml() {
        StringBuilder text = new StringBuilder("# From %s, a configuration of %s.%n".formatted(file, tool.id()));
        for (String warning : warnings) {
            text.append("# ").append(warning.replaceAll("\\R", " ")).append('\n');
        }
        try {
            return text.append(YAML.writeValueAsString(training)).toString();
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }

    /** A message on fields, with the options that they came from: {@code `lora_rank` (spec.training.adapter.rank) must be …}. */
    public String inItsWords(String message) {
        String told = message;
        for (Map.Entry<String, String> origin : origins.entrySet()) {
            told = told.replace("`" + origin.getKey() + "`", "`%s` (%s)".formatted(origin.getValue(), origin.getKey()));
        }
        return told;
    }
}
