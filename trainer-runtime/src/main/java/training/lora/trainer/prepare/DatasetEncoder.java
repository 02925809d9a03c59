package training.lora.trainer.prepare;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Stage;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.model.LatentMoments;
import training.lora.trainer.model.PictureSizes;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.TextEmbedding;
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
    private final NDManager manager;
    private final FiniteNumbers finite;

    DatasetEncoder(RunContext context, StableDiffusion model, NDManager manager) {
        this.context = context;
        this.model = model;
        this.manager = manager;
        this.finite = new FiniteNumbers(context.run().spec().baseModel(), model.family());
    }

    /** Writes those of {@code samples}, whose pictures lie in {@code folder}, beside them. */
    void write(List<Sample> samples, Path folder) throws IOException {
        context.report(Stage.Prepare, 0, samples.size(), null, List.of(), null);
        try (NDManager kept = manager.newSubManager()) {
            SafeTensorsWriter.write(folder.resolve(PreparedDataset.TEXT), texts(samples, kept), Map.of());
        }
        model.releasePrompts();
        try (NDManager kept = manager.newSubManager()) {
            SafeTensorsWriter.write(folder.resolve(PreparedDataset.LATENTS), latents(samples, folder, kept), Map.of());
        }
        model.releaseVae();
    }

    private Map<String, NDArray> texts(List<Sample> samples, NDManager kept) {
        Map<String, NDArray> texts = new LinkedHashMap<>();
        embed("the empty caption", "", "empty", texts, kept);
        for (int i = 0; i < samples.size(); i++) {
            context.stopIfAsked("while it embedded captions");
            Sample sample = samples.get(i);
            embed("the caption of " + sample.name(), sample.caption(), "caption." + i, texts, kept);
        }
        return texts;
    }

    /** @param what the text is, for messages */
    private void embed(String what, String text, String name, Map<String, NDArray> texts, NDManager kept) {
        if (model.prompts().cuts(text)) {
            LOG.warn(
                    "{} is longer than {} tokens, and loses its end: {}",
                    what,
                    model.prompts().longest(),
                    text);
        }
        try (TextEmbedding embedding = model.prompts().encode(kept, List.of(text))) {
            finite.require(embedding, what);
            texts.put(name, embedding.context().squeeze(0));
            if (embedding.pooled() != null) {
                texts.put(name + PreparedDataset.POOLED, embedding.pooled().squeeze(0));
            }
        }
    }

    private Map<String, NDArray> latents(List<Sample> samples, Path folder, NDManager kept) {
        Map<String, NDArray> latents = new LinkedHashMap<>();
        long begin = System.nanoTime();
        for (int i = 0; i < samples.size(); ) {
            PictureSizes sizes = samples.get(i).sizes();
            int end = Math.min(samples.size(), i + atOnce(sizes.height(), sizes.width()));
            try (NDManager scope = manager.newSubManager()) {
                List<Picture> pictures = samples.subList(i, end).stream()
                        .map(s -> Picture.read(folder.resolve(s.file())))
                        .toList();
                LatentMoments moments = model.vae()
                        .encode(Picture.toBatch(pictures, scope).mul(2).sub(1));
                for (int j = i; j < end; j++) {
                    finite.require(moments, j - i, samples.get(j).name());
                    latents.put("mean." + j, keep(moments.mean().get(j - i), kept));
                    latents.put("std." + j, keep(moments.std().get(j - i), kept));
                }
            }
            i = end;
            double rate = (System.nanoTime() - begin) / 1e9 / end;
            int left = (int) Math.ceil(rate * (samples.size() - end));
            context.report(Stage.Prepare, end, samples.size(), left, List.of(), null);
            context.stopIfAsked("while it prepared pictures");
        }
        return latents;
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
