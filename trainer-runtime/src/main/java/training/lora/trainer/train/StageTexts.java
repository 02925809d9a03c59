package training.lora.trainer.train;

import ai.djl.ndarray.NDManager;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.SamplingSpec;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.text.TextEmbedding;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.sample.ImageSampler;
import training.lora.trainer.train.batch.Captions;
import training.lora.trainer.train.batch.KnownTexts;
import training.lora.trainer.trained.SamplePictures;

/**
 * What is made of texts once, before the denoiser is read: text encoders that nothing else asks for are let go then, so that they and it
 * are not in memory together.
 *
 * @param sampler draws pictures while a training runs; null where nothing is drawn
 * @param known texts of losses
 */
record StageTexts(@Nullable ImageSampler sampler, KnownTexts known) {
    static StageTexts of(LoraTrainingSpec spec, PreparedDataset data, StableDiffusion model, NDManager manager) {
        SamplingSpec sampling = spec.sampling();
        ImageSampler sampler =
                sampling.enabled() ? ImageSampler.of(model, sampling, sampling.side(data.resolution())) : null;
        KnownTexts known = KnownTexts.of(spec, embedder(model), manager);
        if (!spec.training().adaptsText()) {
            if (sampler != null) {
                sampler.embed(SamplePictures.prompts(spec, data), manager);
            }
            if (!Captions.embeddedAtSteps(spec.training(), data.manifest().samples())) {
                model.releasePrompts();
            }
        }
        return new StageTexts(sampler, known);
    }

    /** Embeds texts by the text encoders of {@code model}, without an adapter. */
    static Captions.Embedder embedder(StableDiffusion model) {
        return (texts, scope) -> {
            TextEmbedding text = model.prompts().encode(scope, texts);
            return new Conditioning(text.context(), text.pooled(), null);
        };
    }
}
