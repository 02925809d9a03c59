package training.lora.trainer.prepare.caption;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;

/** The body of an answer, a completion or an error: servers differ in where they say what is wrong. */
final class Completion {
    /** Characters of a server's own words that are told. */
    private static final int SHOWN = 200;

    private static final String THOUGHT = "<think>";

    private static final String THOUGHT_END = "</think>";

    /** What servers call it where nothing is paid any more, in an error's code, type or message. */
    private static final List<String> UNPAID = List.of(
            "insufficient_quota", "insufficient_credit", "insufficient_balance", "insufficient balance", "billing_");

    /** What servers call it, in an error's code, where a filter stops what it is asked. */
    private static final Set<String> FILTERED =
            Set.of("content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation");

    private final String body;
    private final JsonNode root;

    private Completion(String body, JsonNode root) {
        this.body = body;
        this.root = root;
    }

    static Completion of(String body) {
        try {
            return new Completion(body, Json.MAPPER.readTree(body));
        } catch (JsonProcessingException e) {
            return new Completion(body, Json.MAPPER.missingNode());
        }
    }

    long tokensIn() {
        return root.at("/usage/prompt_tokens").asLong();
    }

    long tokensOut() {
        return root.at("/usage/completion_tokens").asLong();
    }

    /** Whether it is one, with an answer or an empty one. */
    boolean isOne() {
        return root.at("/choices/0/message").isObject();
    }

    /** Why the model stopped; empty where that is not said. */
    String finish() {
        return root.at("/choices/0/finish_reason").asText("");
    }

    /** What the model says of why it gives no answer; null if it says nothing of that. */
    @Nullable String refusal() {
        JsonNode refusal = root.at("/choices/0/message/refusal");
        return refusal.isTextual() && !refusal.asText().isBlank() ? shown(refusal.asText()) : null;
    }

    /** What the model said, thoughts too; empty if nothing. */
    String said() {
        JsonNode content = root.at("/choices/0/message/content");
        return content.isTextual() ? content.asText().strip() : "";
    }

    /** Some servers put what a model thinks before its answer; the first of these marks may be in what the model was shown. */
    static String withoutThoughts(String content) {
        int end = content.lastIndexOf(THOUGHT_END);
        String rest = end < 0 ? content : content.substring(end + THOUGHT_END.length());
        int begin = rest.indexOf(THOUGHT);
        return begin < 0 ? rest : rest.substring(0, begin);
    }

    /** Whether an error names {@code parameter}, in its message or elsewhere. */
    boolean names(String parameter) {
        return body.contains(parameter);
    }

    /** Whether an error is that nothing is paid any more, which no wait mends. */
    boolean isUnpaid() {
        String error = (root.at("/error/code").asText() + " "
                        + root.at("/error/type").asText() + " " + error())
                .toLowerCase(Locale.ROOT);
        return UNPAID.stream().anyMatch(error::contains);
    }

    /** Whether an error is that a filter of content stopped what it was asked. */
    boolean isFiltered() {
        return FILTERED.contains(root.at("/error/code").asText())
                || FILTERED.contains(root.at("/error/innererror/code").asText());
    }

    /** The server's own sentence of an error, after a colon; empty where there is none. */
    String says() {
        String error = error();
        return error.isBlank() ? "" : ": " + shown(error);
    }

    private String error() {
        if (root.isMissingNode()) {
            return body.stripLeading().startsWith("<") ? "" : body;
        }
        return Stream.of("/error/message", "/error", "/message", "/detail", "/detail/0/msg", "/0/error/message")
                .map(root::at)
                .filter(JsonNode::isTextual)
                .map(JsonNode::asText)
                .findFirst()
                .orElse("");
    }

    /** The body as it came, for an answer that is none of these. */
    String shown() {
        return shown(body);
    }

    /** A text in one line of bounded length. */
    static String shown(String text) {
        String line = text.replaceAll("\\s+", " ").strip();
        return line.length() <= SHOWN ? line : line.substring(0, SHOWN) + "…";
    }
}
