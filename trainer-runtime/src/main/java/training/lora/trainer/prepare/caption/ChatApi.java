package training.lora.trainer.prepare.caption;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.soabase.recordbuilder.core.RecordBuilder;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.api.Uris;
import training.lora.trainer.TrainerException;
import training.lora.trainer.http.Http;
import training.lora.trainer.http.RefusedAddressException;
import training.lora.trainer.http.RetryAfter;

/**
 * A language model behind an API as OpenAI's: chat completions, with pictures as data urls. What may succeed later is
 * asked again, at longer and longer intervals or when the server says. It may be called from several threads.
 */
public final class ChatApi {
    private static final int STATUS_OK = 200;

    private static final int STATUS_BAD = 400;

    private static final int STATUS_TIMEOUT = 408;

    private static final int STATUS_TOO_MANY = 429;

    private static final int STATUS_SERVER = 500;

    /** Of an answer; a caption is short. */
    private static final int MOST_BYTES = 4 << 20;

    private static final String THOUGHT = "<think>";

    private static final String THOUGHT_END = "</think>";

    /** The server's longest wish that is heeded. */
    private static final Duration LONGEST_PAUSE = Duration.ofMinutes(5);

    private final Settings settings;
    private final Http http;
    private final Pause pause;
    private final AtomicLong calls = new AtomicLong();
    private final AtomicLong asked = new AtomicLong();
    private final AtomicLong answered = new AtomicLong();
    private volatile boolean newerTokens;
    private volatile boolean ownTemperature;
    private volatile boolean noSchema;

    /**
     * What is asked, and how.
     *
     * @param field that names the API, for messages
     * @param base url that {@code /chat/completions} follows
     * @param model its name there
     * @param key null for none
     * @param patience how long the server may be silent
     * @param attempts how often a question is asked at most
     */
    @RecordBuilder
    public record Settings(
            String field, URI base, String model, @Nullable String key, Duration patience, int attempts) {}

    /** Waits; may throw to end the stage. */
    public interface Pause {
        void of(Duration time);
    }

    public ChatApi(Settings settings, Http http, Pause pause) {
        this.settings = settings;
        this.http = http;
        this.pause = pause;
    }

    /**
     * A question.
     *
     * @param system who the model is to be
     * @param text what is asked
     * @param pictures JPEG files that are shown with it
     * @param tokens of the answer at most
     * @param schema JSON schema of an answer that must be JSON; null for text
     */
    @RecordBuilder
    public record Question(
            String system,
            String text,
            List<byte[]> pictures,
            int tokens,
            @Nullable JsonNode schema) {}

    /** The model was asked rightly, and says nothing that could be used; asking again is no use. */
    public static final class DeclinedException extends Exception {
        private static final long serialVersionUID = 1;

        DeclinedException(String message) {
            super(message);
        }
    }

    /**
     * The answer's text.
     *
     * @throws DeclinedException if the model declines, or has no room for an answer; the message goes on after what was
     *     asked for
     */
    public String ask(Question question) throws DeclinedException {
        byte[] body = body(question);
        String problem = "";
        for (int attempt = 1; attempt <= settings.attempts(); attempt++) {
            Duration wait = Duration.ofSeconds(1L << Math.min(attempt - 1, 6));
            try (Http.Answer answer = http.post(url(), body, authorization(), settings.patience())) {
                calls.incrementAndGet();
                String text = read(answer);
                if (answer.status() == STATUS_OK) {
                    String content = content(text);
                    if (content != null) {
                        return content;
                    }
                    problem = "its answer was no chat completion: " + shown(text);
                } else if (answer.status() == STATUS_TOO_MANY
                        || answer.status() == STATUS_TIMEOUT
                        || answer.status() >= STATUS_SERVER) {
                    problem = "it answered " + answer.statusLine();
                    Duration wish = RetryAfter.of(answer.header("Retry-After"), Instant.now());
                    if (wish != null) {
                        wait = wish.compareTo(LONGEST_PAUSE) > 0 ? LONGEST_PAUSE : wish;
                    }
                } else {
                    byte[] adapted = answer.status() == STATUS_BAD ? adapted(question, text) : body;
                    if (Arrays.equals(adapted, body)) {
                        throw refused(answer, text);
                    }
                    body = adapted;
                    attempt--;
                    wait = Duration.ZERO;
                }
            } catch (RefusedAddressException e) {
                throw invalid("must be an address that may be asked, but " + e.getMessage());
            } catch (IOException e) {
                problem = "it gave no answer ("
                        + (e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage()) + ")";
            }
            // After the last too: what was cut off since the process is to end is no failure of the server.
            pause.of(attempt < settings.attempts() ? wait : Duration.ZERO);
        }
        throw new TrainerException(
                Reason.SourceUnreachable,
                "`%s` %s must answer, but in %d attempts it did not: %s"
                        .formatted(settings.field(), settings.base(), settings.attempts(), problem));
    }

    private URI url() {
        String base = settings.base().toString();
        return URI.create((base.endsWith("/") ? base : base + "/") + "chat/completions");
    }

    private @Nullable String authorization() {
        return settings.key() == null ? null : "Bearer " + settings.key();
    }

    private byte[] body(Question question) {
        ObjectNode root = Json.MAPPER.createObjectNode();
        root.put("model", settings.model());
        root.put(newerTokens ? "max_completion_tokens" : "max_tokens", question.tokens());
        if (!ownTemperature) {
            root.put("temperature", 0);
        }
        ArrayNode messages = root.putArray("messages");
        messages.addObject().put("role", "system").put("content", question.system());
        ObjectNode user = messages.addObject().put("role", "user");
        if (question.pictures().isEmpty()) {
            user.put("content", question.text());
        } else {
            ArrayNode parts = user.putArray("content");
            parts.addObject().put("type", "text").put("text", question.text());
            for (byte[] picture : question.pictures()) {
                parts.addObject()
                        .put("type", "image_url")
                        .putObject("image_url")
                        .put(
                                "url",
                                "data:image/jpeg;base64," + Base64.getEncoder().encodeToString(picture))
                        .put("detail", "low");
            }
        }
        if (question.schema() != null && !noSchema) {
            root.putObject("response_format")
                    .put("type", "json_schema")
                    .putObject("json_schema")
                    .put("name", "answer")
                    .put("strict", true)
                    .set("schema", question.schema());
        }
        return root.toString().getBytes(StandardCharsets.UTF_8);
    }

    private static String read(Http.Answer answer) throws IOException {
        return new String(answer.body().readNBytes(MOST_BYTES), StandardCharsets.UTF_8);
    }

    /**
     * Newer models of OpenAI take another name for the tokens, and no temperature; some servers take no schema. What is to
     * be sent after such an answer; what was sent before if nothing of it can be otherwise. Another thread may have learned
     * it first, while this question was on its way.
     */
    private byte[] adapted(Question question, String answer) {
        String says = says(answer);
        if (says.contains("max_completion_tokens")) {
            newerTokens = true;
        } else if (says.contains("temperature")) {
            ownTemperature = true;
        } else if (says.contains("response_format") || says.contains("json_schema")) {
            noSchema = true;
        }
        return body(question);
    }

    /** The text of a completion; null where it is none. */
    private @Nullable String content(String body) throws DeclinedException {
        try {
            JsonNode root = Json.MAPPER.readTree(body);
            asked.addAndGet(root.at("/usage/prompt_tokens").asLong());
            answered.addAndGet(root.at("/usage/completion_tokens").asLong());
            JsonNode content = root.at("/choices/0/message/content");
            JsonNode refusal = root.at("/choices/0/message/refusal");
            String why = root.at("/choices/0/finish_reason").asText();
            if (refusal.isTextual() && !refusal.asText().isBlank()) {
                throw new DeclinedException("was declined by the model: " + shown(refusal.asText()));
            }
            if (why.equals("content_filter")) {
                throw new DeclinedException("was stopped by the server's filter of content");
            }
            if (why.equals("length")) {
                throw new DeclinedException("did not fit into maxTokens");
            }
            if (!content.isTextual() || content.asText().isBlank()) {
                return null;
            }
            String answer = withoutThoughts(content.asText());
            if (answer.isBlank()) {
                throw new DeclinedException("was thought about, but not answered");
            }
            return answer;
        } catch (JsonProcessingException e) {
            return null;
        }
    }

    /** Some servers put what a model thinks before its answer; the first of these marks may be in what the model was shown. */
    private static String withoutThoughts(String content) {
        int end = content.lastIndexOf(THOUGHT_END);
        String rest = end < 0 ? content : content.substring(end + THOUGHT_END.length());
        int begin = rest.indexOf(THOUGHT);
        return begin < 0 ? rest : rest.substring(0, begin);
    }

    private TrainerException refused(Http.Answer answer, String body) {
        String says = says(body);
        return switch (answer.status()) {
            case 401, 403 ->
                invalid((settings.key() == null
                                        ? "must have a key (`%s.secretRef`, or OPENAI_API_KEY outside a cluster)"
                                        : "must have a key that the server accepts (`%s.secretRef`, or OPENAI_API_KEY)")
                                .formatted(settings.field())
                        + ", but the server answered " + answer.statusLine() + says);
            case 404 ->
                invalid("must name a server of chat completions and one of its models (%s), but it answered %s%s"
                        .formatted(settings.model(), answer.statusLine(), says));
            case 301, 302, 303, 307, 308 ->
                invalid("must be where the API itself is, but the server redirects to "
                        + Uris.shown(String.valueOf(answer.header("Location"))));
            default -> invalid("must take what is asked, but it answered " + answer.statusLine() + says);
        };
    }

    private static String says(String body) {
        try {
            String message = Json.MAPPER.readTree(body).at("/error/message").asText();
            return message.isEmpty() ? "" : ": " + shown(message);
        } catch (JsonProcessingException e) {
            return "";
        }
    }

    private static String shown(String text) {
        String line = text.replaceAll("\\s+", " ").strip();
        return line.length() <= 200 ? line : line.substring(0, 200) + "…";
    }

    private TrainerException invalid(String message) {
        return new TrainerException(
                Reason.InvalidConfiguration, "`%s` %s %s".formatted(settings.field(), settings.base(), message));
    }

    /**
     * What it has cost so far.
     *
     * @param calls answers of the server, those that were failures too
     * @param tokensIn of what was asked
     * @param tokensOut of what was answered
     */
    public record Cost(String model, String host, long calls, long tokensIn, long tokensOut) {
        /** The same in a sentence. */
        public String sentence() {
            return "%s at %s was asked %d times: %d tokens in, %d out"
                    .formatted(model, host, calls, tokensIn, tokensOut);
        }
    }

    /** What it has cost so far. */
    public Cost cost() {
        return new Cost(settings.model(), settings.base().getHost(), calls.get(), asked.get(), answered.get());
    }

    /** The model, and where it is. */
    public String key() {
        return settings.base() + " " + settings.model();
    }

    /** The field that names it, for messages. */
    public String field() {
        return settings.field();
    }
}
