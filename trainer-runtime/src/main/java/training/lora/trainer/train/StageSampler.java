package training.lora.trainer.train;

import ai.djl.ndarray.NDManager;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.SamplingSpec;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.sample.ImageSampler;
import training.lora.trainer.train.batch.Captions;
import training.lora.trainer.trained.SamplePictures;

/** What draws pictures while a training runs. */
final class StageSampler {
    private StageSampler() {}

    /**
     * What draws on the way, null if nothing is drawn. Its prompts are embedded before the denoiser is read, and text
     * encoders that nothing else asks for are let go, so that they and it are not in memory together.
     */
    static @Nullable ImageSampler of(
            LoraTrainingSpec spec, PreparedDataset data, StableDiffusion model, NDManager manager) {
        SamplingSpec sampling = spec.sampling();
        if (!sampling.enabled()) {
            return null;
        }
        ImageSampler sampler = ImageSampler.of(model, sampling, sampling.side(data.resolution()));
        if (!spec.training().adaptsText()) {
            sampler.embed(SamplePictures.prompts(spec, data), manager);
            if (!Captions.embeddedAtSteps(spec.training(), data.manifest().samples())) {
                model.releasePrompts();
            }
        }
        return sampler;
    }
}
