package training.lora.api;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** The mappers for the API and its messages. */
public final class Json {
    /** Writes without nulls; reads messages of newer versions too, whose unknown fields it passes over. */
    public static final ObjectMapper MAPPER = JsonMapper.builder()
            .serializationInclusion(JsonInclude.Include.NON_NULL)
            .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .build();

    /** As {@link #MAPPER}, indented and in a fixed order, for files that people read. */
    public static final ObjectMapper PRETTY = MAPPER.copy().enable(SerializationFeature.INDENT_OUTPUT);

    /** For YAML and JSON that people write: refuses unknown fields, repeated keys, trailing text and fractions of a whole. */
    public static final ObjectMapper STRICT_YAML = YAMLMapper.builder()
            .serializationInclusion(JsonInclude.Include.NON_NULL)
            .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .disable(DeserializationFeature.ACCEPT_FLOAT_AS_INT)
            .enable(com.fasterxml.jackson.core.StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .build();

    private static final Pattern SNAKE_YAML_MARK = Pattern.compile("in 'reader', line (\\d+), column");

    private Json() {}

    /** {@code value} as JSON whose keys are sorted, so that equal values have one text however their maps are ordered. */
    public static String sorted(Object value) {
        try {
            return MAPPER.writeValueAsString(sortedKeys(MAPPER.valueToTree(value)));
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(e);
        }
    }

    private static Object sortedKeys(JsonNode node) {
        if (node.isObject()) {
            Map<String, Object> map = new TreeMap<>();
            node.fields().forEachRemaining(e -> map.put(e.getKey(), sortedKeys(e.getValue())));
            return map;
        }
        if (node.isArray()) {
            List<Object> list = new ArrayList<>();
            node.forEach(e -> list.add(sortedKeys(e)));
            return list;
        }
        return node;
    }

    /** What is wrong with a text that can't be read, without the parser's own affairs, and in which line. */
    public static String problem(JsonProcessingException e) {
        // SnakeYAML's sentences stand at the beginning of lines; where they are, and the text there, is indented.
        String what = e.getOriginalMessage()
                .lines()
                .filter(line -> !line.isBlank() && !Character.isWhitespace(line.charAt(0)))
                .limit(2)
                .collect(Collectors.joining(", "))
                .replaceFirst("^[\\w.]+Exception: ", "")
                .replaceFirst(" \\(start marker at .*", "");
        // Jackson says where the last thing that it understood is, SnakeYAML where the problem is.
        Integer line = e.getLocation() == null ? null : e.getLocation().getLineNr();
        Matcher mark = SNAKE_YAML_MARK.matcher(e.getOriginalMessage());
        while (mark.find()) {
            line = Integer.valueOf(mark.group(1));
        }
        return what + (line == null ? "" : " at line " + line);
    }
}
