package training.lora.trainer.prepare.caption;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;
import training.lora.api.PlainText;

/** Asks a {@link ChatApi} for JSON that must hold what is asked for: what does not is asked again, saying what was wrong. */
public final class JsonAnswers {
    /** How often something is asked that is answered wrongly. */
    private static final int ATTEMPTS = 3;

    private final ChatApi api;

    public JsonAnswers(ChatApi api) {
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
                    return problem == null ? new Answer<>(texts, "") : new Answer<>(null, problem);
                })
                .value();
    }

    /**
     * A text under {@code name}.
     *
     * @param check what is wrong with it, in a few words; null if nothing
     */
    public Answer<String> text(ChatApi.Question question, String name, Function<String, @Nullable String> check) {
        ObjectNode schema = object(Map.of(name, Json.MAPPER.createObjectNode().put("type", "string")));
        return ask(question, schema, answer -> {
            String text = PlainText.of(answer.path(name).asText());
            String problem = text.isEmpty()
                    ? name + " was missing or empty"
                    : CaptionAnswer.refuses(text) ? name + " was no answer" : check.apply(text);
            return problem == null ? new Answer<>(text, "") : new Answer<>(null, problem);
        });
    }

    /**
     * Texts by the numbers of what they were asked for: all that are found in one answer, whatever it lacks. Of two with
     * one number neither counts.
     *
     * @return null if it is no such JSON
     * @throws ChatApi.DeclinedException if the model declines, or has no room for an answer
     */
    public @Nullable Map<Integer, String> numbered(ChatApi.Question question) throws ChatApi.DeclinedException {
        ObjectNode array = Json.MAPPER.createObjectNode().put("type", "array");
        Map<String, JsonNode> fields = new LinkedHashMap<>();
        fields.put("id", Json.MAPPER.createObjectNode().put("type", "integer"));
        fields.put("caption", Json.MAPPER.createObjectNode().put("type", "string"));
        array.set("items", object(fields));
        JsonNode answer;
        try {
            answer = once(question, question.text(), object(Map.of("captions", array)));
        } catch (JsonProcessingException e) {
            return null;
        }
        Map<Integer, String> texts = new TreeMap<>();
        Set<Integer> twice = new TreeSet<>();
        JsonNode entries = answer.isArray() ? answer : answer.path("captions");
        for (JsonNode entry : entries) {
            JsonNode id = entry.path("id");
            if (id.canConvertToInt() || id.asText().matches("[0-9]{1,6}")) {
                String before =
                        texts.put(id.asInt(), PlainText.of(entry.path("caption").asText()));
                if (before != null) {
                    twice.add(id.asInt());
                }
            }
        }
        texts.keySet().removeAll(twice);
        return entries.isArray() ? texts : null;
    }

    /**
     * An answer, or what is wrong with it.
     *
     * @param value null if none was right
     * @param problem of the last, a sentence without its full stop
     */
    public record Answer<T>(@Nullable T value, String problem) {}

    private <T> Answer<T> ask(ChatApi.Question question, JsonNode schema, Function<JsonNode, Answer<T>> check) {
        String text = question.text();
        Answer<T> answer = new Answer<>(null, "");
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            try {
                answer = check.apply(once(question, text, schema));
            } catch (ChatApi.DeclinedException e) {
                // Of one picture alone it may be told.
                return new Answer<>(null, "it " + e.getMessage());
            } catch (JsonProcessingException e) {
                answer = new Answer<>(null, "it was no JSON");
            }
            if (answer.value() != null) {
                return answer;
            }
            text = again(question.text(), answer.problem());
        }
        return answer;
    }

    /** The same question after an answer that could not be used. */
    public static String again(String text, String problem) {
        return text + "\n\nYour last answer could not be used: " + problem + ".";
    }

    private JsonNode once(ChatApi.Question question, String text, JsonNode schema)
            throws ChatApi.DeclinedException, JsonProcessingException {
        ChatApi.Question asked = ChatApiQuestionBuilder.builder(question)
                .schema(schema)
                .text(text)
                .build();
        return json(api.ask(asked));
    }

    /**
     * The last object, or list of objects, of a text. Some models put JSON into a block of Markdown, say something before or
     * after it, or begin with a draft.
     */
    private static JsonNode json(String text) throws JsonProcessingException {
        JsonNode last = null;
        int at = 0;
        while (at < text.length()) {
            char c = text.charAt(at);
            int end = at + 1;
            if (c == '{' || c == '[') {
                try (JsonParser parser = Json.MAPPER.createParser(text.substring(at))) {
                    JsonNode value = Json.MAPPER.readTree(parser);
                    end = at + (int) parser.currentLocation().getCharOffset();
                    boolean list = value.isArray();
                    last = list && !(value.size() > 0 && value.get(0).isObject()) ? last : value;
                } catch (IOException e) {
                    // No JSON begins here.
                }
            }
            at = end;
        }
        return last == null ? Json.MAPPER.readTree(text) : last;
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
