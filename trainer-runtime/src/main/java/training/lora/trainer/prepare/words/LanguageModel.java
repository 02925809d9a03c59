package training.lora.trainer.prepare.words;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.LanguageSpec;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.Waits;
import training.lora.trainer.WholeWords;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.http.Http;
import training.lora.trainer.prepare.caption.ChatAccess;
import training.lora.trainer.prepare.caption.ChatAccessBuilder;
import training.lora.trainer.prepare.caption.ChatApi;
import training.lora.trainer.prepare.caption.ChatApiQuestionBuilder;
import training.lora.trainer.prepare.caption.JsonAnswers;
import training.lora.trainer.run.RunContext;

/**
 * A language model that is asked about captions. What it answered rightly is kept and not asked again. It is called by the
 * stage's thread alone, and asks by several.
 */
public final class LanguageModel implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(LanguageModel.class);

    private static final int MOST_WORDS_OF_A_DESCRIPTION = 40;

    private static final int MOST_WORDS_OF_A_PROMPT = 6;

    /** Of captions that it declines, or answers wrongly: that is kept as well, where it did most others rightly. */
    private static final String DECLINED = "declined caption";

    private static final int CLOSING_SECONDS = 10;

    private final LanguageSpec spec;
    private final ChatApi chat;
    private final Http http;
    private final Answered before;
    private final ExecutorService threads;

    /** @param http closed with this */
    LanguageModel(LanguageSpec spec, ChatApi chat, Http http, Answered before) {
        this.spec = spec;
        this.chat = chat;
        this.http = http;
        this.before = before;
        this.threads = Waits.daemons("language", spec.concurrency());
    }

    /** Opens it; nothing is asked yet. */
    public static LanguageModel open(LanguageSpec spec, RunContext context, Answered before) {
        Http http = ChatAccess.http(context);
        ChatAccess access = ChatAccessBuilder.builder()
                .field("spec.preparation.captions.language")
                .url(spec.url())
                .model(spec.model())
                .timeoutSeconds(spec.timeoutSeconds())
                .secretRef(spec.secretRef())
                .build();
        return new LanguageModel(spec, access.open(context, http), http, before);
    }

    /** All that its answers depend on but the captions. */
    public static String key(LanguageSpec spec) {
        return "language %d %s %s words %d".formatted(Prompts.VERSION, spec.url(), spec.model(), spec.maxWords());
    }

    private String key(String what, Subject subject, String about) {
        return Sha256.of(String.join(
                "\n",
                what,
                key(spec),
                subject.mode().name(),
                String.valueOf(subject.trigger()),
                String.valueOf(subject.className()),
                about));
    }

    /** What is common to all that {@code captions} say of a subject, in a sentence; null if it gave none that could be used. */
    public @Nullable String description(Subject subject, List<String> captions) throws IOException {
        List<String> sample = Prompts.sample(captions);
        String key = key("description", subject, String.join("\n", sample));
        JsonAnswers.Answer<String> answer = one(
                key,
                "description",
                Prompts.description(subject, sample),
                text -> longer(text, MOST_WORDS_OF_A_DESCRIPTION));
        if (answer.value() == null) {
            LOG.warn(
                    "{} gave no description of {} that could be used: {}",
                    spec.model(),
                    subject.name(),
                    answer.problem());
        }
        return answer.value();
    }

    /**
     * A word that may call a subject; null if it gave none that could be used.
     *
     * @param taken whether a word means something already
     */
    public @Nullable String trigger(Subject subject, List<String> captions, Predicate<String> taken)
            throws IOException {
        List<String> sample = Prompts.sample(captions);
        String key = key("trigger", subject, String.join("\n", sample));
        JsonAnswers.Answer<String> answer = one(key, "trigger", Prompts.trigger(subject, sample), word -> {
            if (!word.matches("[a-z]{4,12}")) {
                return "it must be one word of 4 to 12 letters from a to z, was \"" + word + "\"";
            }
            boolean said = taken.test(word) || captions.stream().anyMatch(caption -> WholeWords.in(caption, word));
            return said ? word + " means something already" : null;
        });
        if (answer.value() == null) {
            LOG.warn(
                    "{} proposed no trigger for {} that could be used: {}",
                    spec.model(),
                    subject.name(),
                    answer.problem());
        }
        return answer.value();
    }

    /**
     * What masks are to find, in a few words.
     *
     * @throws TrainerException InvalidData if it gave none that could be used
     */
    public String segmentation(Subject subject, List<String> captions) throws IOException {
        List<String> sample = Prompts.sample(captions);
        String key = key("segmentation", subject, String.join("\n", sample));
        JsonAnswers.Answer<String> answer =
                one(key, "prompt", Prompts.segmentation(subject, sample), text -> longer(text, MOST_WORDS_OF_A_PROMPT));
        if (answer.value() == null) {
            throw new TrainerException(
                    Reason.InvalidData,
                    "`%s` %s must say what masks of %s are to find, but it gave no answer that could be used (%s); `spec.preparation.mask.prompts` may say it"
                            .formatted(chat.field(), spec.model(), subject.name(), answer.problem()));
        }
        return answer.value();
    }

    private static @Nullable String longer(String text, int words) {
        return WholeWords.count(text) > words ? "it had more than %d words".formatted(words) : null;
    }

    private JsonAnswers.Answer<String> one(
            String key, String name, String text, Function<String, @Nullable String> check) throws IOException {
        String known = before.get(key);
        // What was right then may be wrong by now: a trigger may mean something in another base model.
        if (known != null && check.apply(known) == null) {
            return new JsonAnswers.Answer<>(known, "");
        }
        ChatApi.Question question = ChatApiQuestionBuilder.builder()
                .system(Prompts.SYSTEM)
                .text(text)
                .pictures(List.of())
                .tokens(Batch.TOKENS)
                .build();
        JsonAnswers.Answer<String> answer = new JsonAnswers(chat).text(question, name, check);
        if (answer.value() != null) {
            before.put(key, answer.value());
        }
        return answer;
    }

    /**
     * Rewritten captions.
     *
     * @param texts by what they were; those that are missing were not answered rightly
     * @param problem what was wrong with the first of these, with its picture; empty if nothing is missing
     */
    public record Cleaned(Map<String, String> texts, String problem) {}

    /** Is told how far it is, by the thread that called; may throw to end the stage. */
    public interface Watch {
        /** @param done calls of {@code all}, some of which may ask more than once */
        void told(int done, int all);
    }

    /**
     * Rewrites captions of a subject. A description is a hint: what is kept is not asked for again where it is another, nor
     * where other captions were asked for with one.
     *
     * @param description of the subject; null where there is none
     * @param pictures a picture for each caption, by which it is named
     * @throws TrainerException InvalidData if nothing is kept and of the first captions none can be used, or if of all, those
     *     that are kept too, fewer than half can be
     */
    public Cleaned clean(Subject subject, @Nullable String description, Map<String, String> pictures, Watch watch)
            throws IOException {
        Map<String, String> texts = new HashMap<>();
        List<String> open = new ArrayList<>();
        Map<String, String> wrong = new LinkedHashMap<>();
        for (String caption : pictures.keySet()) {
            String known = before.get(key("caption", subject, caption));
            String refusal = known != null ? null : before.get(key(DECLINED, subject, caption));
            if (known != null) {
                texts.put(caption, known);
            } else if (refusal != null) {
                wrong.put(caption, refusal);
            } else {
                open.add(caption);
            }
        }
        List<Future<Answers>> calls = new ArrayList<>();
        for (List<Integer> batch : Batch.split(open)) {
            List<String> some = batch.stream().map(open::get).toList();
            calls.add(threads.submit(() -> clean(subject, description, some)));
        }
        try {
            for (int i = 0; i < calls.size(); i++) {
                Answers call = Waits.get(calls.get(i));
                texts.putAll(call.texts());
                wrong.putAll(call.wrong());
                if (texts.isEmpty()) {
                    break;
                }
                watch.told(i + 1, calls.size());
            }
        } finally {
            calls.forEach(call -> call.cancel(true));
        }
        // Some that are never answered rightly must not end what went well before.
        String problem = problem(wrong, pictures);
        if (2 * texts.size() < pictures.size()) {
            throw new TrainerException(
                    Reason.InvalidData,
                    "`%s` %s must rewrite captions as it is asked, but of %d captions of %s it gave %d that can be used: %s"
                            .formatted(
                                    chat.field(),
                                    spec.model(),
                                    pictures.size(),
                                    subject.name(),
                                    texts.size(),
                                    problem));
        }
        for (String caption : open) {
            String why = wrong.get(caption);
            if (why != null) {
                before.put(key(DECLINED, subject, caption), why);
            }
        }
        return new Cleaned(texts, problem);
    }

    /** What is wrong with the first, in words that a person knows it by. */
    private static String problem(Map<String, String> wrong, Map<String, String> pictures) {
        return pictures.keySet().stream()
                .filter(wrong::containsKey)
                .findFirst()
                .map(caption -> {
                    String why = Objects.requireNonNull(wrong.get(caption));
                    // An answer that is none at all is of no caption.
                    return why.startsWith("it ") ? why : "the caption of %s %s".formatted(pictures.get(caption), why);
                })
                .orElse("");
    }

    /** Of some captions: what they became, and what was wrong with the others. */
    private record Answers(Map<String, String> texts, Map<String, String> wrong) {}

    /** Rewrites some by one call, and keeps what is right at once: it is paid for, whatever becomes of the others. */
    private Answers clean(Subject subject, @Nullable String description, List<String> captions) throws IOException {
        Batch.Result result = new Batch(subject, description, spec.maxWords(), new JsonAnswers(chat)).ask(captions);
        Map<String, String> texts = new HashMap<>();
        for (Map.Entry<Integer, String> entry : result.texts().entrySet()) {
            String caption = captions.get(entry.getKey());
            before.put(key("caption", subject, caption), entry.getValue());
            texts.put(caption, entry.getValue());
        }
        Map<String, String> wrong = new HashMap<>();
        result.wrong().forEach((place, why) -> wrong.put(captions.get(place), why));
        return new Answers(texts, wrong);
    }

    /** What it has cost so far; null where it was not asked. */
    public ChatApi.@Nullable Cost cost() {
        ChatApi.Cost cost = chat.cost();
        return cost.calls() == 0 ? null : cost;
    }

    @Override
    public void close() throws IOException {
        threads.shutdownNow();
        http.close();
        try {
            // What they keep must not come after the stage.
            if (!threads.awaitTermination(CLOSING_SECONDS, TimeUnit.SECONDS)) {
                LOG.warn("calls of {} did not end in {} seconds", chat.field(), CLOSING_SECONDS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
