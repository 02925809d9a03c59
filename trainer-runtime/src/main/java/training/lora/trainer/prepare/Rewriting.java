package training.lora.trainer.prepare;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.CaptionsSpec;
import training.lora.api.CleanUp;
import training.lora.api.ConceptMode;
import training.lora.api.DatasetSpec;
import training.lora.api.LanguageSpec;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.MaskSpec;
import training.lora.trainer.dataset.Concepts;
import training.lora.trainer.prepare.PrepareProgress.Part;
import training.lora.trainer.prepare.StepCache.Step;
import training.lora.trainer.prepare.caption.ChatApi;
import training.lora.trainer.prepare.mask.SegmentPrompts;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.prepare.report.ReportedConcept;
import training.lora.trainer.prepare.report.ReportedConceptBuilder;
import training.lora.trainer.prepare.words.Answered;
import training.lora.trainer.prepare.words.CleanUpRules;
import training.lora.trainer.prepare.words.LanguageModel;
import training.lora.trainer.prepare.words.Subject;
import training.lora.trainer.run.RunContext;

/**
 * What is done with captions before the concept's words are put to them: they are rewritten, each concept is described, and
 * masks are told what to find.
 */
final class Rewriting implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Rewriting.class);

    private final CaptionsSpec spec;
    private final MaskSpec mask;
    private final Concepts concepts;
    private final Predicate<String> known;
    private final Consumer<String> notes;
    private final Map<String, ReportedConcept> reported = new LinkedHashMap<>();
    private final Map<String, String> prompts = new TreeMap<>();
    private @Nullable LanguageModel model;
    private LanguageModel.Watch watch = (done, all) -> {};

    /**
     * What is said of an item's picture.
     *
     * @param texts without the concept's words; null where it has no caption, or one that was prepared
     * @param from as in a sample
     */
    record Said(
            Item item,
            @Nullable List<String> texts,
            @Nullable String from) {
        /** What lies beside it. */
        static Said of(Item item) {
            return new Said(item, item.said(), item.captionFrom());
        }

        /** What can be read of the concept there. */
        private List<String> shown() {
            if (texts != null) {
                return texts;
            }
            return from == null ? List.of() : List.of(item.caption());
        }
    }

    /** Says what a data set's pictures show where it has no captions: by captions of some of its pictures. */
    interface Glance {
        /** Empty where nothing makes captions. */
        List<String> at(List<Item> items) throws IOException;
    }

    /**
     * @param known whether the base model knows a text as one word
     * @param notes takes what people should know, a sentence each
     */
    Rewriting(LoraTrainingSpec spec, Predicate<String> known, Consumer<String> notes) {
        this.spec = spec.preparation().captions();
        this.mask = spec.preparation().mask();
        this.concepts = Concepts.of(spec.datasets());
        this.known = known;
        this.notes = notes;
    }

    /** Opens the language model, where there is one; nothing is asked yet. */
    void open(RunContext context, StepCache cache, PrepareProgress progress) {
        LanguageSpec language = spec.language();
        watch = (done, all) -> {
            context.stopIfAsked("while captions were rewritten");
            progress.tell(Part.CAPTIONED, all + done, 2 * all);
        };
        model = language == null ? null : LanguageModel.open(language, context, kept(cache));
    }

    private static Answered kept(StepCache cache) {
        return new Answered() {
            @Override
            public @Nullable String get(String key) throws IOException {
                byte[] answer = cache.get(Step.LANGUAGE, key);
                return answer == null ? null : new String(answer, StandardCharsets.UTF_8);
            }

            @Override
            public void put(String key, String answer) throws IOException {
                cache.put(Step.LANGUAGE, key, answer.getBytes(StandardCharsets.UTF_8));
            }
        };
    }

    /** What rewritten captions and prompts of masks depend on beside captions; empty where there are none. */
    static String key(CaptionsSpec spec, MaskSpec mask, List<Item> items) {
        LanguageSpec language = spec.language();
        StringBuilder key = new StringBuilder();
        if (language != null && items.stream().anyMatch(item -> SegmentPrompts.missing(mask, item.dataset()))) {
            key.append("prompts of ").append(LanguageModel.key(language)).append('\n');
        }
        if (spec.cleanUp() == CleanUp.None) {
            return key.toString();
        }
        key.append(spec.cleanUp()).append(' ').append(CleanUpRules.key()).append('\n');
        if (spec.cleanUp() == CleanUp.Model && language != null) {
            key.append(LanguageModel.key(language)).append('\n');
        }
        return key.append(subjects(items)).append('\n').toString();
    }

    /** What the report of concepts depends on beside the data; empty where no language model is asked about them. */
    static String reportKey(CaptionsSpec spec, List<Item> items) {
        LanguageSpec language = spec.language();
        return language == null ? "" : "\n" + LanguageModel.key(language) + subjects(items);
    }

    private static String subjects(List<Item> items) {
        return items.stream()
                .map(Item::dataset)
                .distinct()
                .filter(Subject::isOf)
                .map(dataset -> "\n" + Subject.of(dataset))
                .collect(Collectors.joining());
    }

    /** Whether some pictures are captioned whole, since nothing says what masks are to find in their data set. */
    static boolean glances(CaptionsSpec spec, MaskSpec mask, List<Item> items) {
        Map<DatasetSpec, Boolean> blank = new HashMap<>();
        for (Item item : items) {
            if (spec.language() != null && SegmentPrompts.missing(mask, item.dataset())) {
                boolean none = Said.of(item).shown().stream().allMatch(String::isBlank);
                blank.merge(item.dataset(), none, Boolean::logicalAnd);
            }
        }
        return blank.containsValue(true);
    }

    /** What masks are to find in the pictures of each data set of which the spec doesn't say it, by data sets' names. */
    Map<String, List<String>> segmentPrompts(List<Item> items, Glance glance) throws IOException {
        Map<Subject, List<Item>> missing = new LinkedHashMap<>();
        for (Item item : items) {
            if (model != null && SegmentPrompts.missing(mask, item.dataset())) {
                missing.computeIfAbsent(Subject.of(item.dataset()), s -> new ArrayList<>())
                        .add(item);
            }
        }
        Map<String, List<String>> found = new HashMap<>();
        for (Map.Entry<Subject, List<Item>> entry : missing.entrySet()) {
            Subject subject = entry.getKey();
            List<String> captions = entry.getValue().stream()
                    .flatMap(item -> Said.of(item).shown().stream())
                    .filter(text -> !text.isBlank())
                    .toList();
            List<String> shown = captions.isEmpty() ? glance.at(entry.getValue()) : captions;
            if (!shown.isEmpty()) {
                String prompt = Objects.requireNonNull(model).segmentation(subject, shown);
                LOG.info("masks of {} are to find: {}", subject.name(), prompt);
                prompts.put(subject.name(), prompt);
                entry.getValue().forEach(item -> found.put(item.dataset().name(), List.of(prompt)));
            }
        }
        return found;
    }

    /** The texts of each of {@code all}, in their order, as they are trained on but for the concept's words. */
    List<Said> rewritten(List<Said> all) throws IOException {
        if (spec.cleanUp() == CleanUp.None && model == null) {
            return all;
        }
        Map<String, List<Said>> groups = new LinkedHashMap<>();
        for (Said said : all) {
            if (Subject.isOf(said.item().dataset())) {
                groups.computeIfAbsent(Subject.of(said.item().dataset()).name(), n -> new ArrayList<>())
                        .add(said);
            }
        }
        Map<Item, Said> rewritten = new HashMap<>();
        for (List<Said> group : groups.values()) {
            Subject subject = Subject.of(
                    group.stream().map(said -> said.item().dataset()).distinct().toList());
            for (Said said : rewritten(subject, group)) {
                rewritten.put(said.item(), said);
            }
        }
        return all.stream()
                .map(said -> rewritten.getOrDefault(said.item(), said))
                .toList();
    }

    private List<Said> rewritten(Subject subject, List<Said> group) throws IOException {
        List<String> shown = group.stream()
                .flatMap(said -> said.shown().stream())
                .filter(text -> !text.isBlank())
                .toList();
        String description = model == null || shown.isEmpty() ? null : model.description(subject, shown);
        Map<String, String> pictures = new LinkedHashMap<>();
        List<String> texts = new ArrayList<>();
        for (Said said : group) {
            for (String text : said.texts() == null ? List.<String>of() : said.texts()) {
                String changed = concepts.withTriggers(said.item().dataset(), text);
                if (mayChange(text) && !changed.isBlank()) {
                    texts.add(changed);
                    pictures.putIfAbsent(changed, said.item().name());
                }
            }
        }
        CleanUpRules rules = new CleanUpRules(subject, texts);
        report(subject, shown, description, rules);
        if (spec.cleanUp() == CleanUp.None || texts.isEmpty()) {
            return group;
        }
        Map<String, String> cleaned = cleaned(subject, description, pictures, rules);
        return group.stream().map(said -> rewritten(said, cleaned)).toList();
    }

    private void report(Subject subject, List<String> shown, @Nullable String description, CleanUpRules rules)
            throws IOException {
        boolean own = subject.trigger() != null && !subject.trigger().equals(ConceptMode.TRIGGER);
        String proposed = own || model == null || shown.isEmpty() ? null : model.trigger(subject, shown, known);
        if (proposed != null) {
            notes.accept(
                    "the language model proposes %s as `spec.datasets[].concept.trigger` of %s, which %s until then"
                            .formatted(
                                    proposed,
                                    subject.name(),
                                    subject.trigger() == null ? "nothing calls" : subject.trigger() + " calls"));
        }
        reported.put(
                subject.name(),
                ReportedConceptBuilder.builder()
                        .name(subject.name())
                        .mode(subject.mode())
                        .trigger(subject.trigger())
                        .noun(rules.noun())
                        .description(description)
                        .proposedTrigger(proposed)
                        .segmentationPrompt(prompts.get(subject.name()))
                        .build());
    }

    /** What is drawn from is its maker's own words. */
    private boolean mayChange(String text) {
        return !spec.wildcards() || text.indexOf('{') < 0;
    }

    private Map<String, String> cleaned(
            Subject subject, @Nullable String description, Map<String, String> pictures, CleanUpRules rules)
            throws IOException {
        Map<String, String> cleaned = new HashMap<>();
        String idle = "because %s; `spec.datasets[].concept.className` may say it"
                .formatted(
                        subject.mode() == ConceptMode.Style
                                ? "nothing says what its style is called"
                                : "there is no noun that most of them begin with");
        if (spec.cleanUp() == CleanUp.Model && model != null) {
            LanguageModel.Cleaned answer = model.clean(subject, description, pictures, watch);
            cleaned.putAll(answer.texts());
            long missing = pictures.keySet().stream()
                    .filter(text -> !answer.texts().containsKey(text))
                    .count();
            if (missing > 0) {
                notes.accept("the language model rewrote all captions of %s but %d as it was asked (%s); those %s"
                        .formatted(
                                subject.name(),
                                missing,
                                answer.problem(),
                                rules.idle() ? "stay as they are, " + idle : "are rewritten by the rules"));
            }
        } else if (rules.idle()) {
            notes.accept("captions of %s are not rewritten, %s".formatted(subject.name(), idle));
        }
        for (String text : pictures.keySet()) {
            String now = cleaned.computeIfAbsent(text, rules::clean);
            if (!now.equals(text)) {
                LOG.info("\"{}\" becomes \"{}\"", text, now);
            }
        }
        return cleaned;
    }

    private Said rewritten(Said said, Map<String, String> cleaned) {
        if (said.texts() == null) {
            return said;
        }
        DatasetSpec dataset = said.item().dataset();
        List<String> texts = said.texts().stream()
                .map(text -> mayChange(text) ? cleaned.getOrDefault(concepts.withTriggers(dataset, text), text) : text)
                .toList();
        return texts.equals(said.texts()) ? said : new Said(said.item(), texts, said.from());
    }

    /** What is known of each concept that has captions. */
    List<ReportedConcept> concepts() {
        return List.copyOf(reported.values());
    }

    /** What the language model has cost; null where it was not asked. */
    ChatApi.@Nullable Cost cost() {
        return model == null ? null : model.cost();
    }

    @Override
    public void close() throws IOException {
        if (model != null) {
            model.close();
        }
    }
}
