package training.lora.trainer.model.basemodel;

import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import training.lora.api.ModelFamily;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.model.text.Tokenizer;
import training.lora.trainer.model.unet.UNetConfig;
import training.lora.trainer.model.weights.Config;
import training.lora.trainer.model.weights.Layout;
import training.lora.trainer.model.weights.ParameterSet;
import training.lora.trainer.model.weights.PartSource;
import training.lora.trainer.model.weights.Stored;
import training.lora.trainer.tensor.SafeTensors;

/**
 * A base model as one safetensors file in the original code's names ("ldm", "sgm"). The file describes none of its networks:
 * their sizes are those of its tensors, and the rest is the family's, as published.
 */
public final class SingleFile implements ModelSource {
    private static final Pattern ADAPTER = Pattern.compile("lora_|[._]lora|\\.(hada_|lokr_|oft_)|^lycoris_");

    private final Path path;
    private final Map<String, SafeTensors.Entry> tensors;
    private final ModelFamily family;
    private final SingleFileNoise noise;
    private final SingleFileShapes shapes;

    SingleFile(Path path, Map<String, SafeTensors.Entry> tensors, ModelFamily family, SingleFileNoise noise) {
        this.path = path;
        this.tensors = tensors;
        this.family = family;
        this.noise = noise;
        this.shapes = new SingleFileShapes(path, tensors, family);
    }

    /**
     * Reads the file's header.
     *
     * @throws TrainerException InvalidBaseModel if its tensors are not those of Stable Diffusion 1.x or SDXL; what they are
     *     is told by name
     */
    public static SingleFile open(Path path) {
        try (SafeTensors file = openFile(path)) {
            return of(path, file.entries(), file.metadata());
        }
    }

    static SingleFile of(Path path, Map<String, SafeTensors.Entry> tensors, Map<String, String> metadata) {
        ModelKind kind = ModelKind.of(tensors);
        if (kind == null || kind.family() == null) {
            throw new TrainerException(
                    Reason.InvalidBaseModel,
                    path + " must be a checkpoint of Stable Diffusion 1.x or SDXL, but is "
                            + what(kind, tensors.keySet()));
        }
        SingleFile single =
                new SingleFile(path, tensors, kind.family(), SingleFileNoise.of(tensors.keySet(), metadata));
        single.checkTexts();
        return single;
    }

    /** An autoencoder alone: in the original names, with or without their prefix, or in diffusers'. */
    public static PartSource autoencoder(Path path, ModelFamily family) {
        try (SafeTensors file = openFile(path)) {
            Map<String, SafeTensors.Entry> tensors = file.entries();
            if (VaeStateDictAdapter.find(tensors.keySet(), "decoder.conv_in.weight", 0) == null) {
                throw new TrainerException(
                        Reason.InvalidBaseModel,
                        path + " must hold an autoencoder of Stable Diffusion, but is "
                                + what(ModelKind.of(tensors), tensors.keySet()));
            }
            return new SingleFile(path, tensors, family, SingleFileNoise.of(tensors.keySet(), file.metadata()))
                    .part(Part.Vae);
        }
    }

    private static String what(@Nullable ModelKind kind, Set<String> names) {
        if (names.stream().anyMatch(n -> ADAPTER.matcher(n).find())) {
            return "an adapter, such as a LoRA";
        }
        return kind == null ? ModelKind.unknown(names) : kind.what();
    }

    private static SafeTensors openFile(Path path) {
        try {
            return SafeTensors.open(path);
        } catch (TrainerException e) {
            throw new TrainerException(Reason.InvalidBaseModel, String.valueOf(e.getMessage()), e);
        }
    }

    /** Text encoders must be as wide as the denoiser reads them. */
    private void checkTexts() {
        UNetConfig unet = UNetConfig.of(part(Part.UNet).config());
        int width = part(Part.TextEncoder).config().integer("hidden_size");
        if (family == ModelFamily.SDXL) {
            Config second = part(Part.TextEncoder2).config();
            width += second.integer("hidden_size");
            int pooled = Objects.requireNonNull(unet.addition()).pooledWidth();
            mustBe("pooled text", pooled, second.integer("projection_dim"));
        }
        mustBe("text", unet.contextWidth(), width);
    }

    private void mustBe(String what, int wanted, int width) {
        if (wanted != width) {
            throw new TrainerException(
                    Reason.InvalidBaseModel,
                    "%s must have text encoders whose %s is %d wide, as its denoiser reads it, was %d"
                            .formatted(path, what, wanted, width));
        }
    }

    @Override
    public ModelFamily family() {
        return family;
    }

    @Override
    public FilePart part(Part part) {
        return new FilePart(part);
    }

    /** Where it keeps the weights of a part. */
    public Layout layout(Part part) {
        return part(part);
    }

    /** What it says of its noise. */
    SingleFileNoise noise() {
        return noise;
    }

    @Override
    public Config scheduler() {
        return Config.of(path.toString(), noise.scheduler(family));
    }

    @Override
    public Tokenizer tokenizer(Part encoder) {
        // SDXL's second encoder was trained on texts that end in zeros.
        return Tokenizer.clip(encoder == Part.TextEncoder2);
    }

    /** A network in the file. */
    final class FilePart implements PartSource, Layout {
        private final Part part;
        private final ObjectNode description;
        private final Config config;
        private final @Nullable UNetStateDictAdapter unet;
        private final int levels;

        FilePart(Part part) {
            this.part = part;
            this.description = describe();
            this.config = Config.of(path.toString(), description);
            this.unet = part == Part.UNet ? new UNetStateDictAdapter(UNetConfig.of(config)) : null;
            this.levels = part == Part.Vae ? config.integers("block_out_channels").length : 0;
        }

        private ObjectNode describe() {
            return switch (part) {
                case UNet -> shapes.unet();
                case Vae ->
                    shapes.vae(name -> {
                        String key = VaeStateDictAdapter.find(tensors.keySet(), name, 0);
                        return key == null ? ModelKind.VAE + VaeStateDictAdapter.toOriginal(name, 0) : key;
                    });
                case TextEncoder -> shapes.text(this::text, false);
                case TextEncoder2 -> shapes.text(this::text2, true);
            };
        }

        @Override
        public Config config() {
            return config;
        }

        @Override
        public void check(ParameterSet weights) {
            try (SafeTensors file = openFile(path)) {
                weights.check(file, this);
            }
        }

        @Override
        public void load(ParameterSet weights, NDManager manager) {
            try (SafeTensors file = openFile(path)) {
                weights.load(file, this, manager);
            }
        }

        @Override
        public @Nullable Stored place(String name) {
            Stored stored =
                    switch (part) {
                        case UNet -> {
                            String original = Objects.requireNonNull(unet).toOriginal(name);
                            yield original == null ? null : Stored.whole(ModelKind.UNET + original);
                        }
                        case Vae -> {
                            String key = VaeStateDictAdapter.find(tensors.keySet(), name, levels);
                            yield key == null ? null : Stored.whole(key);
                        }
                        case TextEncoder -> text(name);
                        case TextEncoder2 -> text2(name);
                    };
            return stored != null && tensors.containsKey(stored.key()) ? stored : null;
        }

        /** Also where the file lacks it. */
        private Stored text(String name) {
            String prefix = family == ModelFamily.SD15 ? ModelKind.SD15_TEXT : ModelKind.SDXL_TEXT;
            String found = ClipStateDictAdapter.find(tensors.keySet(), prefix, name);
            return Stored.whole(found == null ? prefix + name : found);
        }

        private Stored text2(String name) {
            return OpenClipStateDictAdapter.find(tensors.keySet(), ModelKind.SDXL_TEXT_2, name);
        }

        /** What there would be in its config.json. */
        ObjectNode describes() {
            return description;
        }

        @Override
        public String description() {
            return "of the network that its first tensors belong to";
        }

        /** The denoiser's alone: beside the others files keep what only their training needed. */
        @Override
        public boolean owns(String key) {
            return part == Part.UNet && key.startsWith(ModelKind.UNET);
        }
    }
}
