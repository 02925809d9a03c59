package training.lora.trainer.sample;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.PromptSpec;
import training.lora.api.SamplingSpec;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.diffusion.EulerSampler;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.model.text.TextEmbedding;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.model.unet.PictureSizes;
import training.lora.trainer.tensor.Randomness;

/**
 * Draws pictures of prompts: Euler's method with classifier-free guidance (Ho and Salimans 2022). A picture depends on
 * its prompt and seed alone, not on what is drawn beside it. B pictures, C latent channels, h x w latents.
 */
public final class ImageSampler {
    private static final Logger LOG = LoggerFactory.getLogger(ImageSampler.class);

    /**
     * Latent pixels drawn at once: 16 pictures of 16 x 16, one of 64 x 64. More at once is no faster on a CPU and costs
     * memory.
     */
    private static final int LATENT_PIXELS_AT_ONCE = 4096;

    private final StableDiffusion model;
    private final int steps;
    private final double guidance;
    private final int side;
    private final double strength;
    private final Map<List<String>, TextEmbedding> embedded = new HashMap<>();

    /**
     * @param model what draws
     * @param steps steps of the sampler
     * @param guidance scale of the guidance; 1 and below draw without it, as in diffusers
     * @param resolution side of the pictures in pixels
     */
    public ImageSampler(StableDiffusion model, int steps, double guidance, int resolution) {
        this(model, steps, guidance, 1, resolution);
    }

    /** What draws as {@code sampling} says, pictures of {@code resolution} pixels. */
    public static ImageSampler of(StableDiffusion model, SamplingSpec sampling, int resolution) {
        return new ImageSampler(model, sampling.steps(), sampling.guidance(), sampling.adapterStrength(), resolution);
    }

    private ImageSampler(StableDiffusion model, int steps, double guidance, double strength, int resolution) {
        this.strength = strength;
        this.model = model;
        this.steps = steps;
        this.guidance = guidance;
        this.side = resolution / model.factor();
    }

    /** Takes pictures as they are drawn. */
    @FunctionalInterface
    public interface Sink {
        /** Takes the picture of prompt {@code i}, from 0. */
        void accept(int i, Picture picture) throws IOException;
    }

    /**
     * Embeds the texts of {@code prompts} once, so that to draw these prompts without an adapter, or with one that adapts no
     * text encoder, needs no text encoder.
     *
     * @param run what the embeddings belong to
     */
    public void embed(List<PromptSpec> prompts, NDManager run) {
        batches(prompts).forEach(batch -> {
            List<String> texts = texts(batch);
            embedded.put(texts, model.prompts().encode(run, texts));
        });
    }

    /** Draws one picture for each of {@code prompts}, by the model with {@code adapter} or alone. */
    public List<Picture> draw(List<PromptSpec> prompts, @Nullable LoraAdapter adapter, NDManager parent) {
        List<Picture> pictures = new ArrayList<>();
        try {
            draw(prompts, adapter, parent, (i, picture) -> pictures.add(picture), more -> {});
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return pictures;
    }

    /**
     * As above, with one batch of pictures in memory at a time.
     *
     * @param sink takes the pictures, in their order
     * @param progress told how many pictures each batch added; may throw to end it
     */
    public void draw(
            List<PromptSpec> prompts, @Nullable LoraAdapter adapter, NDManager parent, Sink sink, IntConsumer progress)
            throws IOException {
        LOG.info(
                "drawing {} of {} pixels with {}",
                prompts.size() == 1 ? "a picture" : prompts.size() + " pictures",
                side * model.factor(),
                adapter == null ? "the model alone" : adapter.projections().isEmpty() ? "new tokens" : "the adapter");
        DrawingLog log = new DrawingLog(prompts.size(), steps, System::nanoTime);
        int next = 0;
        for (List<PromptSpec> batch : batches(prompts)) {
            int drawn = next;
            for (Picture picture : batch(batch, adapter, parent, step -> tell(log.step(drawn, step)))) {
                sink.accept(next++, picture);
            }
            progress.accept(batch.size());
        }
    }

    /** How many pictures of {@code side} pixels of their latents are drawn at once. */
    public static int atOnce(long side) {
        return (int) Math.max(1, LATENT_PIXELS_AT_ONCE / (side * side));
    }

    /** Prompts that are drawn at once. */
    private List<List<PromptSpec>> batches(List<PromptSpec> prompts) {
        int atOnce = atOnce(side);
        List<List<PromptSpec>> batches = new ArrayList<>();
        for (int i = 0; i < prompts.size(); i += atOnce) {
            batches.add(prompts.subList(i, Math.min(prompts.size(), i + atOnce)));
        }
        return batches;
    }

    private ProjectionDeltas bound(LoraAdapter adapter, NDManager scope) {
        ProjectionDeltas deltas = adapter.bind(scope);
        return strength == 1 ? deltas : deltas.scaled(strength);
    }

    private static void tell(@Nullable String how) {
        if (how != null) {
            LOG.info("{}", how);
        }
    }

    /** @param done told the steps done after each */
    private List<Picture> batch(
            List<PromptSpec> prompts, @Nullable LoraAdapter adapter, NDManager parent, IntConsumer done) {
        try (NDManager scope = parent.newSubManager()) {
            EulerSampler sampler = EulerSampler.of(model.schedule(), steps);
            ProjectionDeltas deltas = adapter == null ? ProjectionDeltas.NONE : bound(adapter, scope);
            boolean adaptsText = adapter != null && adapter.adaptsText();
            Conditioning context = context(texts(prompts), deltas, adaptsText, scope);
            NDArray x = initialNoise(prompts, sampler, scope);
            for (int i = 0; i < steps; i++) {
                try (NDManager step = scope.newSubManager()) {
                    NDArray noise = predict(x, sampler, i, context, deltas, step);
                    NDArray next = sampler.step(x, noise, i);
                    x.close();
                    x = next;
                }
                done.accept(i + 1);
            }
            return Picture.ofBatch(model.vae().decode(x));
        }
    }

    /** Whether negative prompts count, which without guidance do not. */
    public static boolean isGuided(double guidance) {
        return guidance > 1;
    }

    private boolean guided() {
        return isGuided(guidance);
    }

    /** The negative prompts, then the prompts (2B); the prompts alone without guidance. */
    private List<String> texts(List<PromptSpec> prompts) {
        List<String> texts = new ArrayList<>();
        if (guided()) {
            prompts.forEach(p -> texts.add(p.negative()));
        }
        prompts.forEach(p -> texts.add(p.text()));
        return texts;
    }

    private Conditioning context(List<String> texts, ProjectionDeltas deltas, boolean adaptsText, NDManager scope) {
        TextEmbedding known = adaptsText ? null : embedded.get(texts);
        TextEmbedding embedding = known != null ? known : model.prompts().encode(scope, texts, deltas);
        PictureSizes sizes = PictureSizes.square(side * model.factor());
        return model.conditioning(embedding, Collections.nCopies(texts.size(), sizes), scope);
    }

    /** Noise of each prompt's own seed, as torch.manual_seed(seed); torch.randn(1, C, h, w) gives it. */
    private NDArray initialNoise(List<PromptSpec> prompts, EulerSampler sampler, NDManager scope) {
        Shape shape = new Shape(1, model.latentChannels(), side, side);
        NDList noises = new NDList();
        prompts.forEach(p -> noises.add(Randomness.normal(scope, p.seed(), shape)));
        NDArray all = NDArrays.concat(noises, 0); // (B, C, h, w)
        noises.close();
        return all.muli((float) sampler.initialScale());
    }

    private NDArray predict(
            NDArray x, EulerSampler sampler, int i, Conditioning context, ProjectionDeltas deltas, NDManager step) {
        NDArray input = sampler.modelInput(x, i);
        input.attach(step);
        if (!guided()) {
            NDArray timesteps = step.full(new Shape(x.getShape().get(0)), (float) sampler.timestep(i));
            return model.unet().forward(input, timesteps, context, deltas);
        }
        NDArray twice = NDArrays.concat(new NDList(input, input), 0); // (2B, C, h, w)
        twice.attach(step);
        NDArray timesteps = step.full(new Shape(twice.getShape().get(0)), (float) sampler.timestep(i));
        NDList halves = model.unet().forward(twice, timesteps, context, deltas).split(2);
        NDArray negative = halves.get(0);
        return negative.add(halves.get(1).sub(negative).mul((float) guidance)); // (B, C, h, w)
    }
}
