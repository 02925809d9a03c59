package training.lora.trainer.train.batch;

import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import training.lora.api.ConceptSpec;
import training.lora.api.DatasetSpec;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.PreservationSpec;
import training.lora.trainer.WholeWords;
import training.lora.trainer.dataset.Concepts;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.tensor.Randomness;

/** The texts whose predictions are kept: for each sample of a batch one, as a function of the seed and the batch's number. */
public final class KeptPrompts {
    private final List<String> prompts;
    private final List<String> captions;
    private final TrainingData data;
    private final Captions.@Nullable Embedder embedder;
    private final long seed;

    /**
     * Of all samples.
     *
     * @param prompts with {@link PreservationSpec#CAPTION} for a sample's caption
     * @param captions of all samples, as they are kept
     * @param embedder null where text encoders are trained
     * @param seed what is drawn follows from it
     */
    public KeptPrompts(
            List<String> prompts,
            List<String> captions,
            TrainingData data,
            Captions.@Nullable Embedder embedder,
            long seed) {
        this.prompts = prompts;
        this.captions = captions;
        this.data = data;
        this.embedder = embedder;
        this.seed = seed;
    }

    /**
     * Those of {@code spec}; null where it has none.
     *
     * @param known texts of {@code spec}
     * @param embedder of others; null where text encoders are trained
     */
    public static @Nullable KeptPrompts of(
            TrainingData data,
            List<Sample> samples,
            LoraTrainingSpec spec,
            KnownTexts known,
            Captions.@Nullable Embedder embedder) {
        List<String> prompts = spec.training().loss().preservation().prompts();
        if (prompts == null) {
            return null;
        }
        return new KeptPrompts(
                prompts,
                captions(samples, spec.datasets()),
                data,
                embedder != null && known.haveAll(prompts) ? known : embedder,
                spec.training().seed());
    }

    /** Whether some of {@code prompts} are other texts for other pictures. */
    static boolean haveCaptions(List<String> prompts) {
        return prompts.stream().anyMatch(prompt -> prompt.contains(PreservationSpec.CAPTION));
    }

    /** The samples' captions with what each concept is in the place of what calls it. */
    static List<String> captions(List<Sample> samples, List<DatasetSpec> datasets) {
        return withClasses(samples.stream().map(Sample::caption).toList(), datasets);
    }

    /** Texts with what each concept is in the place of what calls it. */
    static List<String> withClasses(List<String> texts, List<DatasetSpec> datasets) {
        // The longest trigger first, since another may be a part of it.
        Map<String, String> classes = new TreeMap<>(
                Comparator.comparingInt(String::length).reversed().thenComparing(Comparator.naturalOrder()));
        classes.putAll(Concepts.byTrigger(datasets, ConceptSpec::classNoun));
        if (classes.isEmpty()) {
            return texts;
        }
        // In one pass, since one's class may have another's trigger.
        Pattern triggers = Pattern.compile(
                classes.keySet().stream()
                        .map(trigger -> "(" + WholeWords.of(trigger).pattern() + ")")
                        .collect(Collectors.joining("|")),
                Pattern.CASE_INSENSITIVE | Pattern.UNICODE_CASE);
        List<String> names = List.copyOf(classes.values());
        return texts.stream()
                .map(text ->
                        triggers.matcher(text).replaceAll(found -> Matcher.quoteReplacement(names.get(group(found)))))
                .toList();
    }

    /** Index of the group that was found. */
    private static int group(MatchResult found) {
        int group = 1;
        while (found.start(group) < 0) {
            group++;
        }
        return group - 1;
    }

    /** For each of {@code samples}, those of batch {@code index}, one of the prompts. */
    Told at(long index, int[] samples, NDManager scope) {
        SplittableRandom choices = Randomness.generator(seed, index, "kept");
        List<String> texts = new ArrayList<>();
        for (int sample : samples) {
            String prompt = prompts.get(choices.nextInt(prompts.size()));
            texts.add(prompt.replace(PreservationSpec.CAPTION, captions.get(sample)));
        }
        return told(texts, samples, data, embedder, scope);
    }

    /** What is told of {@code samples} with {@code texts}; {@code embedder} is null where text encoders are trained. */
    static Told told(
            List<String> texts,
            int[] samples,
            TrainingData data,
            Captions.@Nullable Embedder embedder,
            NDManager scope) {
        if (embedder == null) {
            return new Told.Texts(texts, data.timeIds(samples, scope));
        }
        Conditioning embedded = embedder.embed(texts, scope);
        return new Told.Embedded(
                embedded.pooled() == null
                        ? embedded
                        : new Conditioning(embedded.context(), embedded.pooled(), data.timeIds(samples, scope)));
    }
}
