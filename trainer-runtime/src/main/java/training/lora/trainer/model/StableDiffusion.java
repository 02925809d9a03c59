package training.lora.trainer.model;

import ai.djl.ndarray.NDManager;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.ModelFamily;
import training.lora.api.Precision;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.tensor.Processor;

/** A Stable Diffusion model in a diffusers folder; each part is read when it is first asked for. */
public final class StableDiffusion implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(StableDiffusion.class);

    private final Path folder;
    private final Precision precision;
    private final NDManager manager;
    private final ModelFamily family;
    private final Schedule schedule;
    private @Nullable UNet unet;
    private @Nullable Vae vae;
    private @Nullable PromptEncoder prompts;

    private StableDiffusion(
            Path folder, Precision precision, NDManager manager, ModelFamily family, Schedule schedule) {
        this.family = family;
        this.precision = precision;
        this.folder = folder;
        this.manager = manager;
        this.schedule = schedule;
    }

    /** Opens the folder, to compute in fp32. */
    public static StableDiffusion open(Path folder, NDManager parent) {
        return open(folder, Precision.Float32, parent);
    }

    /**
     * Opens the folder and reads its small files.
     *
     * @param precision of the denoiser's weights and activations
     * @throws TrainerException InvalidBaseModel if it is not a Stable Diffusion 1.x or SDXL model with epsilon prediction
     */
    public static StableDiffusion open(Path folder, Precision precision, NDManager parent) {
        if (!Files.isDirectory(folder)) {
            throw new TrainerException(
                    Reason.InvalidBaseModel, "the base model must be a diffusers folder, but " + folder + " is none");
        }
        Config index = Config.read(folder.resolve("model_index.json"));
        ModelFamily family =
                switch (index.text("_class_name", "")) {
                    case "StableDiffusionPipeline" -> ModelFamily.SD15;
                    case "StableDiffusionXLPipeline" -> ModelFamily.SDXL;
                    default -> throw index.wrong("_class_name", "StableDiffusionPipeline or StableDiffusionXLPipeline");
                };
        Config s = Config.read(folder.resolve("scheduler/scheduler_config.json"));
        s.mustBe("prediction_type", "epsilon");
        s.mustBe("rescale_betas_zero_snr", false);
        s.mustBeAbsent("trained_betas");
        Schedule.Betas betas =
                switch (s.text("beta_schedule", "linear")) {
                    case "linear" -> Schedule.Betas.Linear;
                    case "scaled_linear" -> Schedule.Betas.ScaledLinear;
                    default -> throw s.wrong("beta_schedule", "linear or scaled_linear");
                };
        Schedule.Spacing spacing =
                switch (s.text("timestep_spacing", "leading")) {
                    case "leading" -> Schedule.Spacing.Leading;
                    case "linspace" -> Schedule.Spacing.Linspace;
                    case "trailing" -> Schedule.Spacing.Trailing;
                    default -> throw s.wrong("timestep_spacing", "leading, linspace or trailing");
                };
        Schedule schedule = new Schedule(
                s.integer("num_train_timesteps", 1000),
                s.number("beta_start", 0.0001),
                s.number("beta_end", 0.02),
                betas,
                spacing,
                s.integer("steps_offset", 0));
        return new StableDiffusion(folder, precision, parent.newSubManager(), family, schedule);
    }

    /** Its family. */
    public ModelFamily family() {
        return family;
    }

    /** The noise that it was trained with. */
    public Schedule schedule() {
        return schedule;
    }

    /** sha256, hex, over its files. */
    public String digest() {
        return ModelFiles.digest(folder);
    }

    /** Side in pixels of the pictures that it was trained on. */
    public int resolution() {
        return UNetConfig.read(folder.resolve("unet/config.json")).sampleSize() * vae().factor();
    }

    /** The denoiser. */
    public UNet unet() {
        if (unet == null) {
            if (precision == Precision.BFloat16 && !Processor.hasBFloat16()) {
                LOG.warn("the processor has no bf16 instructions: Float32 as training.precision is faster here");
            }
            unet = UNet.open(folder.resolve("unet"), precision, manager);
        }
        return unet;
    }

    /** The denoiser without weights, to ask what it is made of. */
    public UNet outline(NDManager parent) {
        return UNet.outline(folder.resolve("unet"), parent);
    }

    /** The autoencoder. */
    public Vae vae() {
        if (vae == null) {
            vae = Vae.open(folder.resolve("vae"), manager);
        }
        return vae;
    }

    /** Its text encoders with their tokenizers. */
    public PromptEncoder prompts() {
        if (prompts == null) {
            prompts = PromptEncoder.open(folder, family, manager);
        }
        return prompts;
    }

    /**
     * What the denoiser is told of texts and pictures.
     *
     * @param text of B texts
     * @param sizes of the B pictures; a model of Stable Diffusion 1.x is told nothing of them
     */
    public Conditioning conditioning(TextEmbedding text, List<PictureSizes> sizes, NDManager scope) {
        return switch (family) {
            case SD15 -> Conditioning.of(text.context());
            case SDXL -> new Conditioning(text.context(), text.pooled(), PictureSizes.timeIds(sizes, scope));
        };
    }

    @Override
    public void close() {
        if (prompts != null) {
            prompts.close();
        }
        manager.close();
    }
}
