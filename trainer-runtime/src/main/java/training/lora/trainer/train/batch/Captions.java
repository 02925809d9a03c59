package training.lora.trainer.train.batch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import training.lora.api.CaptionTrainingSpec;
import training.lora.api.DatasetSpec;
import training.lora.api.DropoutRest;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.TrainingSpec;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.dataset.Wildcards;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.tensor.Randomness;

/**
 * What is said of the samples of a batch, as a function of the seed and the batch's number: their captions, the empty
 * text, captions whose tags are in another order or partly left out, or one of several. Captions as they are and the empty text come
 * from the prepared data, others are embedded when they are needed: B short texts, little beside a step of the denoiser.
 * Where text encoders are trained, all are left to them.
 */
public final class Captions {
    private final TrainingData data;
    private final List<String> captions;
    private final Map<Integer, List<String>> variants = new HashMap<>();

    /** What is left of captions that are dropped, of samples of which something is. */
    private final Map<Integer, String> rests = new HashMap<>();

    private final CaptionTrainingSpec settings;
    private final @Nullable Embedder embedder;
    private final long seed;

    /** Embeds texts. */
    @FunctionalInterface
    public interface Embedder {
        /** Of B texts: (B, S, D), and SDXL's pooled (B, P), in {@code scope}. */
        Conditioning embed(List<String> texts, NDManager scope);
    }

    /**
     * @param captions of all samples
     * @param embedder null where text encoders are trained
     */
    public Captions(
            TrainingData data,
            List<String> captions,
            CaptionTrainingSpec settings,
            @Nullable Embedder embedder,
            long seed) {
        this.data = data;
        this.captions = List.copyOf(captions);
        this.settings = settings;
        this.embedder = embedder;
        this.seed = seed;
    }

    /** Of prepared pictures, some of which may have several captions. */
    public static Captions of(
            TrainingData data, List<Sample> samples, LoraTrainingSpec spec, @Nullable Embedder embedder) {
        CaptionTrainingSpec settings = spec.training().captions();
        long seed = spec.training().seed();
        List<String> plain = samples.stream().map(Sample::caption).toList();
        Captions captions = new Captions(data, plain, settings, embedder, seed);
        for (int i = 0; i < samples.size(); i++) {
            List<String> several = samples.get(i).variants();
            if (several != null) {
                captions.variants.put(i, several);
            }
        }
        if (settings.dropoutLeaves() == DropoutRest.Trigger) {
            captions.leaveTriggers(samples, spec.datasets());
        }
        return captions;
    }

    private void leaveTriggers(List<Sample> samples, List<DatasetSpec> datasets) {
        for (int i = 0; i < samples.size(); i++) {
            String dataset = samples.get(i).dataset();
            for (DatasetSpec other : datasets) {
                String trigger =
                        other.concept() == null ? null : other.concept().trigger();
                if (other.name().equals(dataset) && trigger != null) {
                    rests.put(i, trigger);
                }
            }
        }
    }

    /** Whether {@code settings} change captions, or some of {@code samples} have several: these are embedded at each step. */
    public static boolean vary(CaptionTrainingSpec settings, List<Sample> samples) {
        return vary(settings) || samples.stream().anyMatch(sample -> sample.variants() != null);
    }

    /** Whether texts are embedded at each step though no text encoder is trained: captions that vary, or are kept. */
    public static boolean embeddedAtSteps(TrainingSpec training, List<Sample> samples) {
        List<String> kept = training.loss().preservation().prompts();
        return kept != null && KeptPrompts.haveCaptions(kept) || vary(training.captions(), samples);
    }

    private static boolean vary(CaptionTrainingSpec settings) {
        return settings.shuffle() || settings.tagDropout() > 0 || leaves(settings);
    }

    private static boolean leaves(CaptionTrainingSpec settings) {
        return settings.dropout() > 0 && settings.dropoutLeaves() == DropoutRest.Trigger;
    }

    /** What is said of {@code samples}, those of batch {@code index}. */
    Told at(long index, int[] samples, NDManager scope) {
        boolean[] dropped = dropped(index, samples);
        SplittableRandom tags = Randomness.generator(seed, index, "tags");
        SplittableRandom choices = Randomness.generator(seed, index, "wildcards");
        boolean[] empty = new boolean[samples.length];
        String[] varied = new String[samples.length];
        for (int i = 0; i < samples.length; i++) {
            String rest = rests.get(samples[i]);
            empty[i] = dropped[i] && rest == null;
            String caption = captions.get(samples[i]);
            List<String> several = variants.get(samples[i]);
            String varying = vary(several == null ? caption : Wildcards.draw(several, choices), tags);
            String text = dropped[i] && rest != null ? rest : varying;
            if (!empty[i] && !text.equals(caption)) {
                varied[i] = text;
            }
        }
        return embedder == null
                ? texts(samples, empty, varied, scope)
                : new Told.Embedded(embedded(embedder, samples, empty, varied, scope));
    }

    private boolean[] dropped(long index, int[] samples) {
        SplittableRandom drops = Randomness.generator(seed, index, "caption");
        boolean[] dropped = new boolean[samples.length];
        for (int i = 0; i < samples.length; i++) {
            dropped[i] = drops.nextDouble() < settings.dropout();
        }
        return dropped;
    }

    /** Whose captions {@link #at} leaves out, so that nothing is said of them. */
    boolean[] unsaid(long index, int[] samples) {
        boolean[] unsaid = dropped(index, samples);
        for (int i = 0; i < samples.length; i++) {
            unsaid[i] &= !rests.containsKey(samples[i]);
        }
        return unsaid;
    }

    private Told texts(int[] samples, boolean[] empty, @Nullable String[] varied, NDManager scope) {
        List<String> texts = new ArrayList<>();
        for (int i = 0; i < samples.length; i++) {
            String other = varied[i];
            texts.add(empty[i] ? "" : other != null ? other : captions.get(samples[i]));
        }
        return new Told.Texts(texts, data.timeIds(samples, scope));
    }

    private Conditioning embedded(
            Embedder embedder, int[] samples, boolean[] empty, @Nullable String[] varied, NDManager scope) {
        Conditioning cached = data.embeddings(samples, empty, scope);
        List<String> texts = Arrays.stream(varied).filter(t -> t != null).toList();
        if (texts.isEmpty()) {
            return cached;
        }
        Conditioning embedded = embedder.embed(texts, scope);
        NDArray pooled = cached.pooled();
        return new Conditioning(
                replaced(cached.context(), embedded.context(), varied, scope),
                pooled == null ? null : replaced(pooled, embedded.pooled(), varied, scope),
                cached.timeIds());
    }

    /** The empty text for each of {@code samples}. */
    Told empty(int[] samples, NDManager scope) {
        boolean[] all = new boolean[samples.length];
        Arrays.fill(all, true);
        return embedder == null
                ? texts(samples, all, new String[samples.length], scope)
                : new Told.Embedded(data.embeddings(samples, all, scope));
    }

    /** The captions of {@code samples} as they are. */
    Told plain(int[] samples, NDManager scope) {
        boolean[] none = new boolean[samples.length];
        return embedder == null
                ? texts(samples, none, new String[samples.length], scope)
                : new Told.Embedded(data.embeddings(samples, none, scope));
    }

    /** The caption with its tags shuffled and dropped as the settings say; the caption itself where they say nothing. */
    String vary(String caption, SplittableRandom random) {
        if (!settings.shuffle() && settings.tagDropout() == 0) {
            return caption;
        }
        List<String> all = Arrays.stream(caption.split(","))
                .map(String::strip)
                .filter(tag -> !tag.isEmpty())
                .toList();
        int kept = Math.min(settings.keepTokens(), all.size());
        List<String> moved = new ArrayList<>();
        for (String tag : all.subList(kept, all.size())) {
            moved.add(settings.shuffle() ? random.nextInt(moved.size() + 1) : moved.size(), tag);
        }
        List<String> text = new ArrayList<>(all.subList(0, kept));
        for (String tag : moved) {
            if (random.nextDouble() >= settings.tagDropout()) {
                text.add(tag);
            }
        }
        return text.equals(all) ? caption : String.join(", ", text);
    }

    /** {@code rows} with the next of {@code others} wherever there is a text. */
    private static NDArray replaced(NDArray rows, @Nullable NDArray others, @Nullable String[] texts, NDManager scope) {
        if (others == null) {
            throw new IllegalArgumentException("an embedder must give all that the prepared data has");
        }
        NDList parts = new NDList();
        int next = 0;
        for (int i = 0; i < texts.length; i++) {
            NDArray part = texts[i] == null ? rows.get(i) : others.get(next++);
            part.attach(scope);
            parts.add(part);
        }
        NDArray all = NDArrays.stack(parts);
        all.attach(scope);
        return all;
    }
}
