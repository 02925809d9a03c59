package training.lora.trainer.dataset;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.ConceptMode;
import training.lora.api.ConceptSpec;
import training.lora.api.DatasetRole;
import training.lora.api.DatasetSpec;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.PromptSpec;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.WholeWords;
import training.lora.trainer.dataset.DatasetManifest.Sample;

/**
 * What a run teaches, by the words that call it. In captions and prompts {@code <concept>} stands for a concept's words,
 * and {@code <NAME>} for those of the data set NAME, as in Eden's trainer.
 */
public final class Concepts {
    private final List<DatasetSpec> datasets;
    private final List<Concept> all = new ArrayList<>();

    /**
     * Something that is taught.
     *
     * @param name of the first of its data sets
     * @param trigger the words that call it; null for a style without, and for what is learned from data sets that name no
     *     concept
     * @param datasets names of the data sets that are learned from
     */
    public record Concept(String name, @Nullable String trigger, List<String> datasets) {
        /** Whether {@code text} has its words, in upper case or lower, not as a part of other words. */
        public boolean isIn(String text) {
            return trigger != null && hasWords(text, trigger);
        }
    }

    private Concepts(List<DatasetSpec> datasets) {
        this.datasets = datasets;
        Map<String, List<DatasetSpec>> groups = new LinkedHashMap<>();
        for (DatasetSpec dataset : datasets) {
            if (dataset.role() == DatasetRole.Train) {
                groups.computeIfAbsent(key(dataset), t -> new ArrayList<>()).add(dataset);
            }
        }
        groups.forEach((key, members) -> all.add(new Concept(
                members.get(0).name(),
                trigger(members.get(0)),
                members.stream().map(DatasetSpec::name).toList())));
    }

    /** Alike for data sets of one concept. A trigger has no angle brackets. */
    private static String key(DatasetSpec dataset) {
        String trigger = trigger(dataset);
        return trigger != null ? trigger : dataset.concept() != null ? "<" + dataset.name() + ">" : "";
    }

    private static @Nullable String trigger(DatasetSpec dataset) {
        ConceptSpec concept = dataset.concept();
        return concept == null ? null : concept.trigger();
    }

    /** Of a run on {@code datasets}. */
    public static Concepts of(List<DatasetSpec> datasets) {
        return new Concepts(datasets);
    }

    /**
     * Data sets of one trigger are one concept; one whose concept has no trigger is one by itself; and those that name no
     * concept are one.
     */
    public List<Concept> all() {
        return List.copyOf(all);
    }

    /** Names of the data sets with held-out pictures of {@code concept}: those of its words, or all where it is the only one. */
    public List<String> heldOut(Concept concept) {
        String own = datasets.stream()
                .filter(d -> d.name().equals(concept.name()))
                .map(Concepts::key)
                .findFirst()
                .orElseThrow();
        return datasets.stream()
                .filter(d -> d.role() == DatasetRole.Validation)
                .filter(d -> all.size() == 1 || key(d).equals(own))
                .map(DatasetSpec::name)
                .toList();
    }

    /** The words that call what is taught. */
    public List<String> triggers() {
        return LoraTrainingSpec.trainedTriggers(datasets).toList();
    }

    /**
     * What is said of concepts, by their triggers: of several data sets of one trigger the first counts, those of role Train before
     * all others.
     */
    public static Map<String, String> byTrigger(
            List<DatasetSpec> datasets, Function<ConceptSpec, @Nullable String> said) {
        Map<String, String> all = new LinkedHashMap<>();
        // False is before true.
        datasets.stream()
                .sorted(Comparator.comparing(dataset -> dataset.role() != DatasetRole.Train))
                .map(DatasetSpec::concept)
                .filter(Objects::nonNull)
                .forEach(concept -> {
                    String own = said.apply(concept);
                    if (concept.trigger() != null && own != null) {
                        all.putIfAbsent(concept.trigger(), own);
                    }
                });
        return all;
    }

    /**
     * The caption that a picture of {@code dataset} is trained on: {@code text} with the words that call its concept.
     *
     * @throws TrainerException InvalidData if it asks for the words of a concept that has none
     */
    public String caption(DatasetSpec dataset, String text) {
        return caption(dataset, text, "");
    }

    /**
     * The same where captions stand within other words.
     *
     * @param around those, in which what calls the concept counts too
     */
    public String caption(DatasetSpec dataset, String text, String around) {
        ConceptSpec own = dataset.concept();
        String trigger = trigger(dataset);
        String named = named(text);
        if (own == null || trigger == null) {
            String wordless = wordless(named);
            if (wordless != null) {
                throw new TrainerException(
                        Reason.InvalidData,
                        "a caption of data set %s must not say %s, for which no trigger stands, but was \"%s\""
                                .formatted(dataset.name(), wordless, text));
            }
            return named;
        }
        String placed = named.replace(ConceptMode.PLACEHOLDER, trigger);
        if (hasWords(placed, trigger) || hasWords(around, trigger)) {
            return placed;
        }
        String phrase = own.mode().phrase(trigger);
        return placed.isEmpty() ? phrase : phrase + ", " + placed;
    }

    /** {@code text} with triggers where it says {@code <concept>} or the name of a data set. */
    public String withTriggers(DatasetSpec dataset, String text) {
        String trigger = trigger(dataset);
        String named = named(text);
        return trigger == null ? named : named.replace(ConceptMode.PLACEHOLDER, trigger);
    }

    /**
     * Prompts as they are drawn: the given ones, or the first captions of each concept in turn.
     *
     * @param field of the given ones, for messages
     * @param samples the prepared pictures
     * @param count of captions at most
     * @param seed of the first caption's noise; those of the others count up
     * @throws TrainerException InvalidConfiguration if a prompt says {@code <concept>} and there are several, or asks for
     *     the words of a concept that has none
     */
    public List<PromptSpec> prompts(String field, List<PromptSpec> given, List<Sample> samples, int count, long seed) {
        if (!given.isEmpty()) {
            return given(field, given);
        }
        List<List<String>> captions = all.stream()
                .map(concept -> samples.stream()
                        .filter(s -> s.role() == DatasetRole.Train
                                && s.variation() == null
                                && concept.datasets().contains(s.dataset()))
                        .map(Sample::caption)
                        .toList())
                .toList();
        int longest = captions.stream().mapToInt(List::size).max().orElse(0);
        List<PromptSpec> prompts = new ArrayList<>();
        for (int i = 0; i < longest; i++) {
            for (List<String> ofConcept : captions) {
                if (i < ofConcept.size() && prompts.size() < count) {
                    prompts.add(new PromptSpec(ofConcept.get(i), "", seed + prompts.size()));
                }
            }
        }
        return prompts;
    }

    /** {@code prompts} with the words of the concepts that they name. */
    public List<PromptSpec> given(String field, List<PromptSpec> prompts) {
        List<PromptSpec> all = new ArrayList<>();
        for (PromptSpec prompt : prompts) {
            String place = "`%s[%d].text`".formatted(field, all.size());
            all.add(new PromptSpec(drawn(place, prompt.text()), drawn(place, prompt.negative()), prompt.seed()));
        }
        return all;
    }

    private String drawn(String place, String text) {
        List<String> triggers = triggers();
        String named = named(text);
        if (named.contains(ConceptMode.PLACEHOLDER) && triggers.size() > 1) {
            String first = all.stream()
                    .filter(concept -> concept.trigger() != null)
                    .map(Concept::name)
                    .findFirst()
                    .orElseThrow();
            throw invalid(
                    "%s must say which concept is meant, such as <%s>, but was \"%s\"".formatted(place, first, text));
        }
        String placed = triggers.isEmpty() ? named : named.replace(ConceptMode.PLACEHOLDER, triggers.get(0));
        String wordless = wordless(placed);
        if (wordless != null) {
            throw invalid(
                    "%s must not say %s, for which no trigger stands, but was \"%s\"".formatted(place, wordless, text));
        }
        return placed;
    }

    /** The first place in {@code text} that is left for words that there are not: null if there is none. */
    private @Nullable String wordless(String text) {
        return Stream.concat(
                        Stream.of(ConceptMode.PLACEHOLDER),
                        datasets.stream()
                                .filter(d -> d.concept() != null && trigger(d) == null)
                                .map(d -> "<" + d.name() + ">"))
                .filter(text::contains)
                .findFirst()
                .orElse(null);
    }

    /**
     * The concepts that a picture of {@code prompt} is measured for: those that it names; where it names none, those
     * without words. Where there are none such, it is for none: it shows what was kept.
     */
    public List<Concept> measuredBy(String prompt) {
        List<Concept> named = all.stream().filter(c -> c.isIn(prompt)).toList();
        return named.isEmpty() ? all.stream().filter(c -> c.trigger() == null).toList() : named;
    }

    /**
     * {@code prompt} in words that a CLIP knows that was not trained: with the class name of each concept in place of its
     * trigger, or, where it has none, without trigger and "in the style of".
     */
    public String withClassNames(String prompt) {
        Map<String, String> names = new TreeMap<>(
                Comparator.comparingInt(String::length).reversed().thenComparing(Comparator.naturalOrder()));
        for (DatasetSpec dataset : datasets) {
            String trigger = trigger(dataset);
            String name = dataset.concept() == null ? null : dataset.concept().className();
            if (trigger != null && (name != null || !names.containsKey(trigger))) {
                names.put(trigger, name == null ? "" : name);
            }
        }
        // The longest trigger first, since another may be a part of it.
        String text = prompt;
        for (Map.Entry<String, String> name : names.entrySet()) {
            text = name.getValue().isEmpty()
                    ? without(text, name.getKey())
                    : WholeWords.of(name.getKey()).matcher(text).replaceAll(Matcher.quoteReplacement(name.getValue()));
        }
        return text;
    }

    /** {@code text} without {@code trigger}, "in the style of" before it, and what is left of commas and spaces. */
    private static String without(String text, String trigger) {
        if (!hasWords(text, trigger)) {
            return text;
        }
        String phrase = ConceptMode.Style.phrase(trigger);
        String rest = WholeWords.of(phrase).matcher(text).replaceAll("");
        return Stream.of(WholeWords.of(trigger).matcher(rest).replaceAll("").split(","))
                .map(part -> part.strip().replaceAll("\\s+", " "))
                .filter(part -> !part.isEmpty())
                .collect(Collectors.joining(", "));
    }

    /**
     * Sees to it that each concept can be measured.
     *
     * @throws TrainerException InvalidConfiguration if {@code prompts} are given and none is for some concept
     */
    public void requireAll(String field, List<PromptSpec> prompts) {
        List<PromptSpec> drawn = given(field, prompts);
        List<String> missing = all.stream()
                .filter(c -> drawn.stream().noneMatch(p -> measuredBy(p.text()).contains(c)))
                .map(c -> c.trigger() == null ? "one that names none" : "<" + c.name() + ">")
                .distinct()
                .toList();
        if (!drawn.isEmpty() && !missing.isEmpty()) {
            throw invalid("`%s` must have a prompt for each concept, but has none for %s"
                    .formatted(field, String.join(", ", missing)));
        }
    }

    private String named(String text) {
        String named = text;
        for (DatasetSpec dataset : datasets) {
            String trigger = trigger(dataset);
            if (trigger != null) {
                named = named.replace("<" + dataset.name() + ">", trigger);
            }
        }
        return named;
    }

    private static boolean hasWords(String text, String words) {
        return WholeWords.in(text, words);
    }

    private static TrainerException invalid(String message) {
        return new TrainerException(Reason.InvalidConfiguration, message);
    }
}
