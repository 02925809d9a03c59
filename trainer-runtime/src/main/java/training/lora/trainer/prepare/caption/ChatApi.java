package training.lora.trainer.prepare.caption;

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

    private static final int STATUS_TIMEOUT = 408;

    private static final int STATUS_TOO_MANY = 429;

    private static final int STATUS_SERVER = 500;

    /** Of an answer; a caption is short. */
    private static final int MOST_BYTES = 4 << 20;

    /** How often a model is asked that answers nothing. */
    private static final int EMPTY_ANSWERS = 3;

    private static final List<Integer> BAD = List.of(400, 422);

    private static final int STATUS_UNPAID = 402;

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

        private final boolean wantsRoom;

        DeclinedException(String message, boolean wantsRoom) {
            super(message);
            this.wantsRoom = wantsRoom;
        }

        /** Whether that may be for want of room. */
        boolean wantsRoom() {
            return wantsRoom;
        }
    }

    /**
     * The answer's text.
     *
     * @throws DeclinedException if the model declines, answers nothing or has no room for an answer; the message goes on
     *     after what was asked for
     */
    public String ask(Question question) throws DeclinedException {
        byte[] body = body(question);
        String problem = "";
        int empty = 0;
        for (int attempt = 1; attempt <= settings.attempts(); attempt++) {
            Duration wait = Duration.ofSeconds(1L << Math.min(attempt - 1, 6));
            try (Http.Answer answer = http.post(url(), body, authorization(), settings.patience())) {
                calls.incrementAndGet();
                Completion completion = read(answer);
                if (answer.status() == STATUS_OK) {
                    if (completion.isOne()) {
                        String content = content(completion);
                        if (!content.isEmpty()) {
                            return content;
                        }
                        empty++;
                        if (empty == EMPTY_ANSWERS) {
                            throw new DeclinedException(
                                    "was answered with nothing, %d times%s".formatted(empty, finish(completion)), true);
                        }
                        problem = "it answered nothing" + finish(completion);
                    } else {
                        problem = "its answer was no chat completion: " + completion.shown();
                    }
                } else if (completion.isFiltered()) {
                    throw filtered();
                } else if (isPassing(answer.status()) && !completion.isUnpaid()) {
                    problem = "it answered " + answer.statusLine() + says(completion);
                    Duration wish = RetryAfter.of(answer.header("Retry-After"), Instant.now());
                    if (wish != null) {
                        wait = wish.compareTo(LONGEST_PAUSE) > 0 ? LONGEST_PAUSE : wish;
                    }
                } else {
                    byte[] adapted = BAD.contains(answer.status()) ? adapted(question, completion) : body;
                    if (Arrays.equals(adapted, body)) {
                        throw refused(answer, completion);
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

    private static boolean isPassing(int status) {
        return status == STATUS_TOO_MANY || status == STATUS_TIMEOUT || status >= STATUS_SERVER;
    }

    private static String finish(Completion completion) {
        return completion.finish().isEmpty() ? "" : " (finish_reason " + completion.finish() + ")";
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

    private Completion read(Http.Answer answer) throws IOException {
        Completion completion = Completion.of(new String(answer.body().readNBytes(MOST_BYTES), StandardCharsets.UTF_8));
        asked.addAndGet(completion.tokensIn());
        answered.addAndGet(completion.tokensOut());
        return completion;
    }

    /**
     * Models that think take another name for the tokens, and no temperature; some servers take no schema. What is to be sent
     * after such an answer; what was sent before if nothing of it can be otherwise. Another thread may have learned it first,
     * while this question was on its way.
     */
    private byte[] adapted(Question question, Completion answer) {
        if (answer.names("max_completion_tokens") || answer.names("max_tokens")) {
            newerTokens = true;
        } else if (answer.names("temperature")) {
            ownTemperature = true;
        } else if (answer.names("response_format") || answer.names("json_schema")) {
            noSchema = true;
        }
        return body(question);
    }

    /** The text of a completion; empty where the model might say something another time. */
    private static String content(Completion completion) throws DeclinedException {
        String refusal = completion.refusal();
        if (refusal != null) {
            throw new DeclinedException("was declined by the model: " + refusal, false);
        }
        if (completion.finish().equals("content_filter")) {
            throw filtered();
        }
        String said = completion.said();
        if (completion.finish().equals("length")) {
            throw new DeclinedException(
                    said.isEmpty()
                            ? "was answered with nothing (finish_reason length)"
                            : "did not fit into maxTokens (finish_reason length)",
                    true);
        }
        String answer = Completion.withoutThoughts(said).strip();
        if (answer.isEmpty() && !said.isEmpty()) {
            throw new DeclinedException("was thought about, but not answered", true);
        }
        return answer;
    }

    /** Some servers say it in a completion, others as an error. */
    private static DeclinedException filtered() {
        return new DeclinedException("was stopped by the server's filter of content", false);
    }

    private TrainerException refused(Http.Answer answer, Completion completion) {
        String says = says(completion);
        if (answer.status() == STATUS_UNPAID || completion.isUnpaid()) {
            return invalid("must be paid for, but the quota or credit of its key is used up, the server answered "
                    + answer.statusLine() + says);
        }
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

    /** What the server says of it; some repeat the key. */
    private String says(Completion completion) {
        String key = settings.key();
        String says = completion.says();
        String without = key == null || key.isEmpty() ? says : says.replace(key, "…");
        return without.replaceAll("\\b(sk|key|gsk|hf)[-_][\\w*-]{6,}", "…");
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
