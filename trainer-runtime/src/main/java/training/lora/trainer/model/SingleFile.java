package training.lora.trainer.model;

import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;
import training.lora.api.ModelFamily;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.tensor.SafeTensors;

/**
 * A base model as one safetensors file in the original code's names ("ldm", "sgm"). The file has no description of its
 * networks: the family, told by its tensors, says what they are.
 */
final class SingleFile implements ModelSource {
    private static final String UNET = "model.diffusion_model.";
    private static final String VAE = "first_stage_model.";
    private static final String SD15_TEXT = "cond_stage_model.transformer.";
    private static final String SDXL_TEXT = "conditioner.embedders.0.transformer.";
    private static final String SDXL_TEXT_2 = "conditioner.embedders.1.model.";

    private static final int CONTEXT_SD15 = 768;
    private static final int CONTEXT_SD2 = 1024;
    private static final int INPAINTING_CHANNELS = 9;

    private final Path path;
    private final ModelFamily family;
    private final JsonNode description;

    SingleFile(Path path, ModelFamily family, JsonNode description) {
        this.path = path;
        this.family = family;
        this.description = description;
    }

    /** Opens a file whose family its tensors tell; any other is refused by name. */
    static SingleFile open(Path path) {
        try (SafeTensors file = openFile(path)) {
            ModelFamily family = detect(file);
            return new SingleFile(path, family, description(family, file.entries().keySet()));
        }
    }

    private static SafeTensors openFile(Path path) {
        try {
            return SafeTensors.open(path);
        } catch (TrainerException e) {
            throw new TrainerException(Reason.InvalidBaseModel, String.valueOf(e.getMessage()), e);
        }
    }

    private static ModelFamily detect(SafeTensors file) {
        Set<String> names = file.entries().keySet();
        SafeTensors.Entry input = file.entries().get(UNET + "input_blocks.0.0.weight");
        if (input == null || input.shape().length != 4) {
            if (names.stream().anyMatch(n -> n.startsWith(UNET + "joint_blocks."))) {
                throw refused(file, "Stable Diffusion 3");
            }
            if (names.stream().anyMatch(n -> n.contains("double_blocks."))) {
                throw refused(file, "Flux");
            }
            throw refused(file, "no denoiser of these");
        }
        if (input.shape()[1] == INPAINTING_CHANNELS) {
            throw refused(file, "an inpainting model, whose denoiser takes 9 channels");
        }
        if (names.stream().anyMatch(n -> n.startsWith(SDXL_TEXT_2))) {
            return ModelFamily.SDXL;
        }
        if (names.stream().anyMatch(n -> n.startsWith("conditioner.embedders.0.model."))) {
            throw refused(file, "SDXL's refiner");
        }
        SafeTensors.Entry key =
                file.entries().get(UNET + "input_blocks.2.1.transformer_blocks.0.attn2.to_k.weight");
        long width = key == null || key.shape().length != 2 ? 0 : key.shape()[1];
        if (width == CONTEXT_SD15) {
            return ModelFamily.SD15;
        }
        throw refused(file, width == CONTEXT_SD2 ? "Stable Diffusion 2.x" : "an unknown architecture");
    }

    private static TrainerException refused(SafeTensors file, String what) {
        return new TrainerException(
                Reason.InvalidBaseModel,
                file.file() + " must hold Stable Diffusion 1.x or SDXL, but holds " + what);
    }

    /** The family's networks, and what markers say of the noise: {@code v_pred}, and beside it {@code ztsnr}. */
    static JsonNode description(ModelFamily family, Set<String> names) {
        String resource = family.name().toLowerCase(Locale.ROOT) + ".json";
        ObjectNode description;
        try (InputStream in = SingleFile.class.getResourceAsStream(resource)) {
            description = (ObjectNode) Json.MAPPER.readTree(Objects.requireNonNull(in, resource));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        mark((ObjectNode) description.get("scheduler"), names);
        return description;
    }

    private static void mark(ObjectNode scheduler, Set<String> names) {
        if (names.contains("v_pred")) {
            scheduler.put("prediction_type", "v_prediction");
            if (names.contains("ztsnr")) {
                scheduler.put("rescale_betas_zero_snr", true);
                scheduler.put("timestep_spacing", "trailing");
            }
        }
    }

    @Override
    public ModelFamily family() {
        return family;
    }

    @Override
    public PartSource part(Part part) {
        return new FilePart(part);
    }

    @Override
    public Config scheduler() {
        return Config.of(path + "#scheduler", description.get("scheduler"));
    }

    @Override
    public Tokenizer tokenizer(Part encoder) {
        // SDXL's second encoder was trained on texts that end in zeros.
        return Tokenizer.clip(encoder == Part.TextEncoder2);
    }

    @Override
    public String digest() {
        try {
            return Sha256.of(path);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** An autoencoder alone: in the original names, with or without their prefix, or in diffusers'. */
    static PartSource autoencoder(Path path, ModelFamily family) {
        return new SingleFile(path, family, description(family, Set.of())).part(Part.Vae);
    }

    /** A network in the file. */
    private final class FilePart implements PartSource {
        private final Part part;

        FilePart(Part part) {
            this.part = part;
        }

        @Override
        public Config config() {
            return Config.of(path + "#" + part.folder(), description.get(part.folder()));
        }

        @Override
        public void load(ParameterSet weights, NDManager manager) {
            try (SafeTensors file = openFile(path)) {
                UNetStateDictAdapter unet = part == Part.UNet ? new UNetStateDictAdapter(UNetConfig.of(config())) : null;
                weights.loadStored(file, name -> find(file, name, unet), manager);
            }
        }

        private @Nullable Stored find(SafeTensors file, String name, @Nullable UNetStateDictAdapter unet) {
            return switch (part) {
                case UNet -> {
                    String original = Objects.requireNonNull(unet).toOriginal(name);
                    yield there(file, original == null ? null : Stored.whole(UNET + original));
                }
                case Vae -> autoencoder(file, name);
                case TextEncoder -> {
                    String prefix = family == ModelFamily.SD15 ? SD15_TEXT : SDXL_TEXT;
                    String found = ClipStateDictAdapter.find(file, prefix, name);
                    yield found == null ? null : Stored.whole(found);
                }
                case TextEncoder2 -> {
                    Stored s = OpenClipStateDictAdapter.find(name);
                    yield there(file, new Stored(SDXL_TEXT_2 + s.key(), s.part(), s.parts(), s.transposed()));
                }
            };
        }

        private @Nullable Stored autoencoder(SafeTensors file, String name) {
            int levels = config().integers("block_out_channels").length;
            String original = VaeStateDictAdapter.toOriginal(name, levels);
            for (String key : new String[] {VAE + original, original}) {
                if (file.entries().containsKey(key)) {
                    return Stored.whole(key);
                }
            }
            String ours = VaeStateDictAdapter.find(file, name);
            return ours == null ? null : Stored.whole(ours);
        }
    }

    private static @Nullable Stored there(SafeTensors file, @Nullable Stored stored) {
        return stored != null && file.entries().containsKey(stored.key()) ? stored : null;
    }
}
