package training.lora.trainer.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.BaseWeights;
import training.lora.api.ModelFamily;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.model.basemodel.DiffusersFolder;
import training.lora.trainer.model.basemodel.FolderPart;
import training.lora.trainer.model.basemodel.ModelOptions;
import training.lora.trainer.model.basemodel.ModelSource;
import training.lora.trainer.model.basemodel.Part;
import training.lora.trainer.model.basemodel.Schedule;
import training.lora.trainer.model.basemodel.ScheduleReader;
import training.lora.trainer.model.basemodel.SingleFile;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.model.layer.FrozenWeights;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.model.text.ClipVocabulary;
import training.lora.trainer.model.text.TextEmbedding;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.model.unet.PictureSizes;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.model.unet.UNetConfig;
import training.lora.trainer.model.weights.Numbers;
import training.lora.trainer.model.weights.Parameter;
import training.lora.trainer.model.weights.PartSource;
import training.lora.trainer.model.weights.WeightChanges;

/** A Stable Diffusion model, in a folder or a single file; each part is read when it is first asked for. */
public final class StableDiffusion implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(StableDiffusion.class);

    private ModelSource source;
    private final ModelOptions options;
    private final NDManager manager;
    private final Schedule schedule;
    private @Nullable UNet unet;
    private @Nullable Vae vaeOutline;
    private @Nullable Vae vae;
    private @Nullable PromptEncoder prompts;
    private UNets unets;
    private Runnable end = () -> {};

    private StableDiffusion(ModelSource source, ModelOptions options, NDManager manager, Schedule schedule) {
        this.source = source;
        this.options = options;
        this.manager = manager;
        this.schedule = schedule;
        this.unets = (form, open) -> open.apply(manager);
    }

    /** Opens the model, to compute in fp32. */
    public static StableDiffusion open(Path place, NDManager parent) {
        return open(place, ModelOptions.DEFAULT, parent);
    }

    /**
     * Opens a diffusers folder or a single .safetensors file, and reads what is small of it.
     *
     * @param options what is not left to the model
     * @throws TrainerException InvalidBaseModel if it is not a Stable Diffusion 1.x or SDXL model, or not what the options say
     */
    public static StableDiffusion open(Path place, ModelOptions options, NDManager parent) {
        if (Files.isRegularFile(place)) {
            return open(SingleFile.open(place), options, parent);
        }
        if (!Files.isDirectory(place)) {
            throw new TrainerException(
                    Reason.InvalidBaseModel,
                    "the base model must be a diffusers folder or a .safetensors file, but " + place + " is none");
        }
        return open(DiffusersFolder.open(place), options, parent);
    }

    static StableDiffusion open(ModelSource source, ModelOptions options, NDManager parent) {
        if (options.family() != null && options.family() != source.family()) {
            throw new TrainerException(
                    Reason.InvalidBaseModel,
                    "`spec.baseModel.family` must be %s, the model's family, was %s"
                            .formatted(source.family(), options.family()));
        }
        Schedule schedule = ScheduleReader.read(source.scheduler(), options);
        return new StableDiffusion(source, options, parent.newSubManager(), schedule);
    }

    /**
     * Changes weights from when they are read on.
     *
     * @param changes by the part whose weights they are of
     * @param end called when the model is closed
     * @throws IllegalStateException if a part of it has been read
     */
    public void change(Map<Component, ? extends WeightChanges> changes, Runnable end) {
        if (unet != null || prompts != null || source instanceof ChangedSource) {
            throw new IllegalStateException("weights must be changed once, before they are read");
        }
        Map<Part, WeightChanges> byPart = new EnumMap<>(Part.class);
        changes.forEach((component, change) -> byPart.put(Part.of(component.folder()), change));
        source = new ChangedSource(source, byPart);
        this.end = end;
    }

    /** Has its denoiser kept by {@code keeper}, whom it outlives. */
    public void share(UNets keeper) {
        unets = keeper;
    }

    /** Its family. */
    public ModelFamily family() {
        return source.family();
    }

    /** How its denoiser's weights are kept. */
    public BaseWeights baseWeights() {
        return options.baseWeights();
    }

    /** The noise that it was trained with. */
    public Schedule schedule() {
        return schedule;
    }

    /** Side in pixels of the pictures that it was trained on. */
    public int resolution() {
        return unetConfig().sampleSize() * factor();
    }

    /** What a picture's side must be a multiple of, so that it can be halved on the way down and met again on the way up. */
    public int resolutionStep() {
        return factor() << (unetConfig().widths().size() - 1);
    }

    private UNetConfig unetConfig() {
        return UNetConfig.of(source.part(Part.UNet).config());
    }

    /** What latents are multiplied by where the autoencoder's own config.json doesn't say. */
    private double scalingFactor() {
        return switch (source.family()) {
            case SD15 -> 0.18215;
            case SDXL -> 0.13025;
        };
    }

    /** The denoiser. */
    public UNet unet() {
        if (unet == null) {
            unet = unets.get(options.baseWeights(), this::openUnet);
        }
        return unet;
    }

    private UNet openUnet(NDManager parent) {
        Numbers numbers = Numbers.of(options.precision(), options.baseWeights(), parent.getDevice());
        if (numbers.widens()) {
            LOG.info(
                    "the processor has no bf16 instructions: layers compute in fp32 on weights in {}",
                    numbers.form() == BaseWeights.Full ? "bf16" : numbers.form());
        }
        return UNet.open(source.part(Part.UNet), numbers, options.onHost(), parent);
    }

    /** The denoiser without weights, to ask what it is made of; that they are there is seen to. */
    public UNet outline(NDManager parent) {
        return UNet.outline(source.part(Part.UNet), parent);
    }

    /** Pixels a side of a latent. */
    public int factor() {
        return vaeOutline().factor();
    }

    /** Channels of a latent. */
    public int latentChannels() {
        return vaeOutline().latentChannels();
    }

    /** The autoencoder without weights, to ask what its latents are like. */
    private Vae vaeOutline() {
        if (vaeOutline == null) {
            PartSource part = autoencoder();
            vaeOutline = Vae.outline(part, scalingFactor(), manager);
            if (vaeOutline.latentChannels() != unetConfig().channels()) {
                throw new TrainerException(
                        Reason.InvalidBaseModel,
                        "the autoencoder must have latents of %d channels as the denoiser has, but %s has %d"
                                .formatted(
                                        unetConfig().channels(), part.config().name(), vaeOutline.latentChannels()));
            }
        }
        return vaeOutline;
    }

    /** The autoencoder. */
    public Vae vae() {
        if (vae == null) {
            vaeOutline();
            vae = Vae.open(autoencoder(), scalingFactor(), manager);
        }
        return vae;
    }

    /** Frees the autoencoder's weights, which are read again when they are next asked for. */
    public void releaseVae() {
        if (vae != null) {
            vae.close();
            vae = null;
        }
    }

    /** Frees the denoiser's weights, which are read again when they are next asked for. */
    public void releaseUnet() {
        if (unet != null) {
            unet.close();
            unet = null;
        }
    }

    /** What an adapter can stand beside in the text encoders; their weights are not read for it. */
    public List<Projection> textProjections() {
        return PromptEncoder.projections(source, manager);
    }

    /** The weights of the text encoders, which are not read for it. */
    public List<Parameter> textParameters() {
        return PromptEncoder.parameters(source, manager);
    }

    /**
     * Whether the text encoders have CLIP's vocabulary, which readers of a single file take for granted, since a tokenizer has
     * no place in one.
     */
    public boolean hasClipVocabulary() {
        return textParameters().stream()
                .filter(weight -> weight.name().endsWith("token_embedding.weight"))
                .allMatch(weight -> weight.shape()[0] == ClipVocabulary.TOKENS);
    }

    /** The weights of the autoencoder, which are not read for it. */
    public List<Parameter> autoencoderParameters() {
        return vaeOutline().parameters();
    }

    /** The weights of {@code part}, which are not read for it. */
    public List<Parameter> parameters(Part part) {
        return switch (part) {
            case UNet -> {
                try (UNet outline = outline(manager)) {
                    yield outline.parameters().all();
                }
            }
            case Vae -> autoencoderParameters();
            case TextEncoder, TextEncoder2 -> PromptEncoder.parameters(source, part, manager);
        };
    }

    /** Numbers that the autoencoder works on when it decodes {@code latents} pixels of latents. */
    public long decodingNumbers(long latents) {
        return vaeOutline().decodingNumbers(latents);
    }

    private PartSource autoencoder() {
        Path other = options.vae();
        if (other == null) {
            return source.part(Part.Vae);
        }
        return Files.isRegularFile(other)
                ? SingleFile.autoencoder(other, source.family())
                : new FolderPart(other, Part.Vae);
    }

    /** Its text encoders with their tokenizers. */
    public PromptEncoder prompts() {
        if (prompts == null) {
            prompts = PromptEncoder.open(source, options, manager);
        }
        return prompts;
    }

    /**
     * The frozen weight of a projection, of the denoiser or a text encoder, as {@link FrozenWeights#of}; the part is read if
     * it isn't yet.
     */
    public NDArray weight(Projection projection, NDManager scope) {
        return projection.component() == Component.UNet
                ? unet().weight(projection, scope)
                : prompts().weight(projection, scope);
    }

    /** Frees the text encoders' weights, which are read again when they are next asked for. */
    public void releasePrompts() {
        if (prompts != null) {
            prompts.close();
            prompts = null;
        }
    }

    /**
     * What the denoiser is told of texts and pictures.
     *
     * @param text of B texts
     * @param sizes of the B pictures; a model of Stable Diffusion 1.x is told nothing of them
     */
    public Conditioning conditioning(TextEmbedding text, List<PictureSizes> sizes, NDManager scope) {
        return switch (source.family()) {
            case SD15 -> Conditioning.of(text.context());
            case SDXL -> new Conditioning(text.context(), text.pooled(), PictureSizes.timeIds(sizes, scope));
        };
    }

    @Override
    public void close() {
        releasePrompts();
        manager.close();
        end.run();
    }
}
