package training.lora.trainer.prepare;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.CaptionTrainingSpec;
import training.lora.trainer.dataset.Buckets;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.model.LatentMoments;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.text.TextEmbedding;
import training.lora.trainer.model.unet.PictureSizes;
import training.lora.trainer.prepare.PrepareProgress.Part;
import training.lora.trainer.prepare.StepCache.Step;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.sample.Picture;
import training.lora.trainer.tensor.SafeTensorsWriter;

/**
 * Writes the text embeddings and latents of a prepared data set: first all texts, then, when the text encoders are out of
 * memory, all pictures, as many at once as the autoencoder's activations have room for.
 */
final class DatasetEncoder {
    private static final Logger LOG = LoggerFactory.getLogger(DatasetEncoder.class);

    /** More at once are no faster on a CPU. */
    private static final int MOST_AT_ONCE = 4;

    /** Of pictures that are encoded at once: four of 512 x 512. Each takes some 3.4 kB at Stable Diffusion's widths. */
    private static final long PIXELS_AT_ONCE = 1 << 20;

    private final RunContext context;
    private final StableDiffusion model;
    private final String baseModel;
    private final StepCache cache;
    private final PrepareProgress progress;
    private final NDManager manager;
    private final FiniteNumbers finite;

    /** @param baseModel digest of the model that encodes */
    DatasetEncoder(
            RunContext context, StableDiffusion model, String baseModel, StepCache cache, PrepareProgress progress) {
        this.baseModel = baseModel;
        this.cache = cache;
        this.progress = progress;
        this.context = context;
        this.model = model;
        this.manager = context.manager();
        this.finite = new FiniteNumbers(context.run().spec().baseModel(), model.family());
    }

    /** Writes those of {@code samples}, whose pictures lie in {@code folder}, beside them. */
    void write(List<Sample> samples, List<String> pictureDigests, Path folder) throws IOException {
        writeTexts(samples, folder.resolve(PreparedDataset.TEXT));
        model.releasePrompts();
        try (NDManager kept = manager.newSubManager()) {
            SafeTensorsWriter.write(
                    folder.resolve(PreparedDataset.LATENTS), latents(samples, pictureDigests, folder, kept), Map.of());
        }
        model.releaseVae();
    }

    /** Writes the text embeddings alone; those that were made before are not made again. */
    void writeTexts(List<Sample> samples, Path file) throws IOException {
        try (NDManager kept = manager.newSubManager()) {
            SafeTensorsWriter.write(file, texts(samples, kept), Map.of());
        }
    }

    private Map<String, NDArray> texts(List<Sample> samples, NDManager kept) throws IOException {
        Map<String, NDArray> texts = new LinkedHashMap<>();
        embed("the empty caption", "", "empty", texts, kept);
        for (int i = 0; i < samples.size(); i++) {
            context.stopIfAsked("while it embedded captions");
            Sample sample = samples.get(i);
            embed("the caption of " + sample.name(), sample.caption(), "caption." + i, texts, kept);
            progress.tell(Part.EMBEDDED, i + 1, samples.size());
        }
        return texts;
    }

    /** @param what the text is, for messages */
    private void embed(String what, String text, String name, Map<String, NDArray> texts, NDManager kept)
            throws IOException {
        if (model.prompts().cuts(text)) {
            LOG.warn(
                    "{} is longer than {} tokens, and loses its end: {}",
                    what,
                    model.prompts().longest(),
                    text);
        }
        CaptionTrainingSpec captions = context.run().spec().training().captions();
        String key =
                Sha256.of(String.join("\n", baseModel, captions.maxTokens() + " " + captions.clipSkip(), "text", text));
        NDList parts = kept(Step.TEXT, key, kept);
        if (parts == null) {
            try (TextEmbedding embedding = model.prompts().encode(kept, List.of(text))) {
                finite.require(embedding, what);
                parts = new NDList(embedding.context().squeeze(0));
                if (embedding.pooled() != null) {
                    parts.add(embedding.pooled().squeeze(0));
                }
            }
            cache.put(Step.TEXT, key, parts.encode());
        }
        texts.put(name, parts.get(0));
        if (parts.size() > 1) {
            texts.put(name + PreparedDataset.POOLED, parts.get(1));
        }
    }

    private @Nullable NDList kept(Step step, String key, NDManager kept) throws IOException {
        byte[] bytes = cache.get(step, key);
        return bytes == null ? null : NDList.decode(kept, bytes);
    }

    private Map<String, NDArray> latents(List<Sample> samples, List<String> digests, Path folder, NDManager kept)
            throws IOException {
        NDList[] moments = new NDList[samples.size()];
        List<String> keys = new ArrayList<>();
        List<Integer> missing = new ArrayList<>();
        for (int i = 0; i < moments.length; i++) {
            keys.add(Sha256.of(String.join("\n", baseModel, "latents", digests.get(i))));
            NDList before = kept(Step.LATENTS, keys.get(i), kept);
            if (before == null) {
                missing.add(i);
            } else {
                moments[i] = before;
            }
        }
        Buckets buckets = Buckets.of(samples.stream().map(Sample::sizes).toList());
        missing.sort(Comparator.comparingInt(buckets::of));
        progress.tell(Part.ENCODED, 0, missing.size());
        for (int done = 0; done < missing.size(); ) {
            List<Integer> batch = batch(samples, missing.subList(done, missing.size()));
            encode(samples, batch, folder, moments, kept);
            for (int i : batch) {
                cache.put(Step.LATENTS, keys.get(i), moments[i].encode());
            }
            done += batch.size();
            progress.tell(Part.ENCODED, done, missing.size());
            context.stopIfAsked("while it prepared pictures");
        }
        Map<String, NDArray> latents = new LinkedHashMap<>();
        for (int i = 0; i < moments.length; i++) {
            latents.put("mean." + i, moments[i].get(0));
            latents.put("std." + i, moments[i].get(1));
        }
        return latents;
    }

    /** The first of some samples, as far as they have one size and are encoded at once. */
    private static List<Integer> batch(List<Sample> samples, List<Integer> left) {
        PictureSizes first = samples.get(left.get(0)).sizes();
        int end = 1;
        while (end < Math.min(left.size(), atOnce(first.height(), first.width()))) {
            PictureSizes next = samples.get(left.get(end)).sizes();
            if (next.height() != first.height() || next.width() != first.width()) {
                break;
            }
            end++;
        }
        return left.subList(0, end);
    }

    private void encode(List<Sample> samples, List<Integer> batch, Path folder, NDList[] into, NDManager kept) {
        try (NDManager scope = manager.newSubManager()) {
            List<Picture> pictures = batch.stream()
                    .map(i -> Picture.read(folder.resolve(samples.get(i).file())))
                    .toList();
            LatentMoments moments =
                    model.vae().encode(Picture.toBatch(pictures, scope).mul(2).sub(1));
            for (int j = 0; j < batch.size(); j++) {
                int i = batch.get(j);
                finite.require(moments, j, samples.get(i).name());
                into[i] = new NDList(
                        keep(moments.mean().get(j), kept), keep(moments.std().get(j), kept));
            }
        }
    }

    /** How many pictures of a size are encoded at once. */
    static int atOnce(long height, long width) {
        return (int) Math.max(1, Math.min(MOST_AT_ONCE, PIXELS_AT_ONCE / (height * width)));
    }

    private static NDArray keep(NDArray array, NDManager kept) {
        NDArray copy = array.duplicate();
        copy.attach(kept);
        return copy;
    }
}
