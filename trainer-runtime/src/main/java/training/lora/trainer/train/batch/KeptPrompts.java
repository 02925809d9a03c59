package training.lora.trainer.train.batch;

import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.regex.Matcher;
import org.jspecify.annotations.Nullable;
import training.lora.api.ConceptSpec;
import training.lora.api.DatasetSpec;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.PreservationSpec;
import training.lora.trainer.WholeWords;
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
     * @param embedder null where text encoders are trained
     */
    public static @Nullable KeptPrompts of(
            TrainingData data, List<Sample> samples, LoraTrainingSpec spec, Captions.@Nullable Embedder embedder) {
        List<String> prompts = spec.training().loss().preservation().prompts();
        if (prompts == null) {
            return null;
        }
        return new KeptPrompts(
                prompts,
                captions(samples, spec.datasets()),
                data,
                embedder,
                spec.training().seed());
    }

    /** The samples' captions with what their concept is in the place of what calls it. */
    static List<String> captions(List<Sample> samples, List<DatasetSpec> datasets) {
        Map<String, ConceptSpec> concepts = new HashMap<>();
        for (DatasetSpec dataset : datasets) {
            if (dataset.concept() != null) {
                concepts.put(dataset.name(), dataset.concept());
            }
        }
        List<String> captions = new ArrayList<>();
        for (Sample sample : samples) {
            ConceptSpec concept = concepts.get(sample.dataset());
            String caption = sample.caption();
            if (concept != null && concept.trigger() != null && concept.className() != null) {
                // An article before the trigger is the caption's own.
                String bare = concept.className().replaceFirst("(?i)^(?:an?|the) ", "");
                caption = WholeWords.of(concept.trigger()).matcher(caption).replaceAll(Matcher.quoteReplacement(bare));
            }
            captions.add(caption);
        }
        return captions;
    }

    /** For each of {@code samples}, those of batch {@code index}, one of the prompts. */
    Told at(long index, int[] samples, NDManager scope) {
        SplittableRandom choices = Randomness.generator(seed, index, "kept");
        List<String> texts = new ArrayList<>();
        for (int sample : samples) {
            String prompt = prompts.get(choices.nextInt(prompts.size()));
            texts.add(prompt.replace(PreservationSpec.CAPTION, captions.get(sample)));
        }
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
