package training.lora.trainer.prepare.words;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import org.jspecify.annotations.Nullable;
import training.lora.api.ConceptMode;
import training.lora.trainer.WholeWords;
import training.lora.trainer.prepare.caption.CaptionAnswer;
import training.lora.trainer.prepare.caption.ChatApi;
import training.lora.trainer.prepare.caption.ChatApiQuestionBuilder;
import training.lora.trainer.prepare.caption.JsonAnswers;

/** Captions that are rewritten by one call, or by more where the answer is wrong: what was right in it is kept. */
final class Batch {
    /** Captions that are asked for at once: enough to see what they have in common, few enough not to lose count. */
    static final int MOST = 20;

    static final int MOST_CHARACTERS = 6000;

    /** Tokens of an answer. What the largest batch needs, and something to think. */
    static final int TOKENS = 4000;

    private static final int ATTEMPTS = 3;

    private final Subject subject;
    private final @Nullable String description;
    private final int maxWords;
    private final JsonAnswers answers;
    private final Map<Integer, String> done = new TreeMap<>();
    private final Map<Integer, String> wrong = new TreeMap<>();

    /** @param description of the subject; null where there is none */
    Batch(Subject subject, @Nullable String description, int maxWords, JsonAnswers answers) {
        this.subject = subject;
        this.description = description;
        this.maxWords = maxWords;
        this.answers = answers;
    }

    /** The numbers of captions in batches of bounded size, in order. */
    static List<List<Integer>> split(List<String> captions) {
        List<List<Integer>> all = new ArrayList<>();
        int characters = 0;
        for (int i = 0; i < captions.size(); i++) {
            int length = Prompts.shown(captions.get(i)).length();
            List<Integer> last = all.isEmpty() ? List.of() : all.get(all.size() - 1);
            if (all.isEmpty() || last.size() == MOST || characters + length > MOST_CHARACTERS) {
                all.add(new ArrayList<>());
                characters = 0;
            }
            all.get(all.size() - 1).add(i);
            characters += length;
        }
        return all;
    }

    /**
     * What came of it.
     *
     * @param texts rewritten captions, by their place in the batch
     * @param wrong what was wrong with the others, by their place
     */
    record Result(Map<Integer, String> texts, Map<Integer, String> wrong) {}

    Result ask(List<String> captions) {
        Map<Integer, String> open = new TreeMap<>();
        for (int i = 0; i < captions.size(); i++) {
            open.put(i + 1, captions.get(i));
        }
        ask(open);
        Map<Integer, String> texts = new TreeMap<>();
        Map<Integer, String> missing = new TreeMap<>();
        done.forEach((id, text) -> texts.put(id - 1, text));
        wrong.forEach((id, why) -> missing.put(id - 1, why));
        return new Result(texts, missing);
    }

    private void ask(Map<Integer, String> open) {
        String before = "";
        for (int attempt = 0; attempt < ATTEMPTS && !open.isEmpty(); attempt++) {
            String text = Prompts.cleanUp(subject, description, maxWords, open);
            ChatApi.Question question = ChatApiQuestionBuilder.builder()
                    .system(Prompts.SYSTEM)
                    .text(before.isEmpty() ? text : JsonAnswers.again(text, before))
                    .pictures(List.of())
                    .tokens(TOKENS)
                    .build();
            try {
                before = take(answers.numbered(question), open);
            } catch (ChatApi.DeclinedException e) {
                open.keySet().forEach(id -> wrong.put(id, "it " + e.getMessage()));
                halves(open);
                return;
            }
        }
    }

    /** One caption that is refused, or too much for an answer, shall not cost the others theirs. */
    private void halves(Map<Integer, String> open) {
        if (open.size() < 2) {
            return;
        }
        Map<Integer, String> first = new TreeMap<>();
        Map<Integer, String> second = new TreeMap<>();
        int half = open.size() / 2;
        open.forEach((id, caption) -> (first.size() < half ? first : second).put(id, caption));
        ask(first);
        ask(second);
    }

    /** Takes what is right out of {@code open}; says what is wrong with the rest. */
    private String take(@Nullable Map<Integer, String> said, Map<Integer, String> open) {
        if (said == null) {
            String why = "it was no JSON of that form";
            open.keySet().forEach(id -> wrong.put(id, why));
            return why;
        }
        List<String> told = new ArrayList<>();
        for (Map.Entry<Integer, String> entry : List.copyOf(open.entrySet())) {
            int id = entry.getKey();
            String text = said.get(id);
            String why = text == null ? "was missing, or there twice" : wrong(text, entry.getValue());
            if (text != null && why == null) {
                done.put(id, placed(text));
                open.remove(id);
                wrong.remove(id);
            } else {
                wrong.put(id, String.valueOf(why));
                told.add("caption %d %s".formatted(id, why));
            }
        }
        return String.join("; ", told.subList(0, Math.min(5, told.size())));
    }

    private @Nullable String wrong(String text, String original) {
        if (text.isEmpty()) {
            return "was empty";
        }
        if (CaptionAnswer.refuses(text) && !CaptionAnswer.refuses(original)) {
            return "was no caption";
        }
        // It is asked for less: models count badly, and a caption of some words more is none the worse.
        if (WholeWords.count(text) > 2 * maxWords) {
            return "had more than %d words".formatted(maxWords);
        }
        if (text.matches(".*[<>{}].*") && !original.matches(".*[<>{}].*")) {
            return "had brackets";
        }
        String trigger = subject.trigger();
        if (trigger == null) {
            return null;
        }
        long times = WholeWords.of(trigger).matcher(text).results().count();
        if (subject.mode() == ConceptMode.Style) {
            return times > 0 ? "must not say " + trigger : null;
        }
        return times == 1 ? null : "must say %s once, but said it %d times".formatted(trigger, times);
    }

    /** In the trigger's own case, and without the full stop that captions have not. */
    private String placed(String text) {
        String bare = text.endsWith(".") && !text.endsWith("..") ? text.substring(0, text.length() - 1) : text;
        String trigger = subject.trigger();
        return trigger == null
                ? bare
                : WholeWords.of(trigger).matcher(bare).replaceAll(Matcher.quoteReplacement(trigger));
    }
}
