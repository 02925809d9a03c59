package training.lora.trainer.prepare.caption;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;
import training.lora.api.PlainText;

/** Asks a {@link ChatApi} for JSON that must hold what is asked for: what does not is asked again, saying what was wrong. */
final class JsonAnswers {
    /** How often something is asked that is answered wrongly. */
    private static final int ATTEMPTS = 3;

    private final ChatApi api;

    JsonAnswers(ChatApi api) {
        this.api = api;
    }

    /**
     * A list of texts.
     *
     * @param check what is wrong with it, in a few words; null if nothing
     * @return null if none was right
     */
    @Nullable List<String> texts(ChatApi.Question question, Function<List<String>, @Nullable String> check) {
        ObjectNode schema = object(Map.of("captions", array()));
        return ask(question, schema, answer -> {
            List<String> texts = new ArrayList<>();
            answer.path("captions").forEach(text -> texts.add(PlainText.of(text.asText())));
            String problem = check.apply(texts);
            return problem == null ? new Checked<>(texts, null) : new Checked<>(null, problem);
        });
    }

    /** A text under each of {@code names}; null if none was right. */
    @Nullable Map<String, String> fields(ChatApi.Question question, List<String> names) {
        Map<String, JsonNode> properties = new java.util.LinkedHashMap<>();
        names.forEach(
                name -> properties.put(name, Json.MAPPER.createObjectNode().put("type", "string")));
        return ask(question, object(properties), answer -> {
            Map<String, String> fields = new java.util.LinkedHashMap<>();
            for (String name : names) {
                String text = PlainText.of(answer.path(name).asText());
                if (text.isEmpty()) {
                    return new Checked<>(null, name + " was missing or empty");
                }
                fields.put(name, text);
            }
            return new Checked<>(fields, null);
        });
    }

    /** An answer, or what is wrong with it. */
    private record Checked<T>(@Nullable T value, @Nullable String problem) {}

    private <T> @Nullable T ask(ChatApi.Question question, JsonNode schema, Function<JsonNode, Checked<T>> check) {
        String text = question.text();
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            ChatApi.Question asked = ChatApiQuestionBuilder.builder(question)
                    .schema(schema)
                    .text(text)
                    .build();
            Checked<T> checked;
            try {
                checked = check.apply(Json.MAPPER.readTree(unfenced(api.ask(asked))));
            } catch (ChatApi.DeclinedException e) {
                // Of one picture alone it may be told.
                return null;
            } catch (JsonProcessingException e) {
                checked = new Checked<>(null, "it was no JSON");
            }
            if (checked.value() != null) {
                return checked.value();
            }
            text = question.text() + "\n\nYour last answer could not be used: " + checked.problem() + ".";
        }
        return null;
    }

    /** Some models put JSON into a block of Markdown. */
    private static String unfenced(String text) {
        String bare = text.strip();
        if (!bare.startsWith("```")) {
            return bare;
        }
        int begin = bare.indexOf('\n') + 1;
        int end = bare.lastIndexOf("```");
        return end > begin ? bare.substring(begin, end) : bare;
    }

    private static ObjectNode array() {
        ObjectNode array = Json.MAPPER.createObjectNode().put("type", "array");
        array.putObject("items").put("type", "string");
        return array;
    }

    private static ObjectNode object(Map<String, ? extends JsonNode> properties) {
        ObjectNode object = Json.MAPPER.createObjectNode().put("type", "object");
        ObjectNode of = object.putObject("properties");
        ArrayNode required = object.putArray("required");
        properties.forEach((name, schema) -> {
            of.set(name, schema);
            required.add(name);
        });
        object.put("additionalProperties", false);
        return object;
    }
}
