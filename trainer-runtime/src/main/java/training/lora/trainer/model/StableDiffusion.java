package training.lora.trainer.model;

import ai.djl.Device;
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
import training.lora.trainer.files.Sha256;
import training.lora.trainer.tensor.Processor;

/** A Stable Diffusion model in a diffusers folder; each part is read when it is first asked for. */
public final class StableDiffusion implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(StableDiffusion.class);

    private final Path folder;
    private final ModelOptions options;
    private final NDManager manager;
    private final ModelFamily family;
    private final Schedule schedule;
    private @Nullable UNet unet;
    private @Nullable Vae vae;
    private @Nullable PromptEncoder prompts;

    private StableDiffusion(
            Path folder, ModelOptions options, NDManager manager, ModelFamily family, Schedule schedule) {
        this.family = family;
        this.options = options;
        this.folder = folder;
        this.manager = manager;
        this.schedule = schedule;
    }

    /** Opens the folder, to compute in fp32. */
    public static StableDiffusion open(Path folder, NDManager parent) {
        return open(folder, ModelOptions.DEFAULT, parent);
    }

    /**
     * Opens the folder and reads its small files.
     *
     * @param options what is not left to the model
     * @throws TrainerException InvalidBaseModel if it is not a Stable Diffusion 1.x or SDXL model, or not what the options say
     */
    public static StableDiffusion open(Path folder, ModelOptions options, NDManager parent) {
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
        if (options.family() != null && options.family() != family) {
            throw new TrainerException(
                    Reason.InvalidBaseModel,
                    "`spec.baseModel.family` must be %s, the family of %s, was %s"
                            .formatted(family, folder, options.family()));
        }
        Schedule schedule =
                ScheduleReader.read(Config.read(folder.resolve("scheduler/scheduler_config.json")), options);
        return new StableDiffusion(folder, options, parent.newSubManager(), family, schedule);
    }

    /** Its family. */
    public ModelFamily family() {
        return family;
    }

    /** The noise that it was trained with. */
    public Schedule schedule() {
        return schedule;
    }

    /** sha256, hex, over its files and those of the autoencoder that takes the place of its own. */
    public String digest() {
        String own = ModelFiles.digest(folder);
        return options.vae() == null ? own : Sha256.of(own + " " + ModelFiles.digest(options.vae()));
    }

    /** Side in pixels of the pictures that it was trained on. */
    public int resolution() {
        return unetConfig().sampleSize() * vae().factor();
    }

    private UNetConfig unetConfig() {
        return UNetConfig.read(folder.resolve("unet/config.json"));
    }

    /** What latents are multiplied by where the autoencoder's own config.json doesn't say. */
    private double scalingFactor() {
        return switch (family) {
            case SD15 -> 0.18215;
            case SDXL -> 0.13025;
        };
    }

    /** The denoiser. */
    public UNet unet() {
        if (unet == null) {
            if (options.precision() == Precision.BFloat16
                    && manager.getDevice().equals(Device.cpu())
                    && !Processor.hasBFloat16()) {
                LOG.warn("the processor has no bf16 instructions: Float32 as training.precision is faster here");
            }
            unet = UNet.open(folder.resolve("unet"), options.precision(), manager);
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
            Path place = options.vae() == null ? folder.resolve("vae") : options.vae();
            vae = Vae.open(place, scalingFactor(), manager);
            if (vae.latentChannels() != unetConfig().channels()) {
                throw new TrainerException(
                        Reason.InvalidBaseModel,
                        "the autoencoder must have latents of %d channels as the denoiser has, but %s has %d"
                                .formatted(unetConfig().channels(), place, vae.latentChannels()));
            }
        }
        return vae;
    }

    /** What an adapter can stand beside in the text encoders; their weights are not read for it. */
    public List<Projection> textProjections() {
        return PromptEncoder.projections(folder, family, manager);
    }

    /** Its text encoders with their tokenizers. */
    public PromptEncoder prompts() {
        if (prompts == null) {
            prompts = PromptEncoder.open(folder, family, options, manager);
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
