package training.lora.trainer.export;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.ModelKind;
import training.lora.trainer.tensor.SafeTensors;

/**
 * What a safetensors file is, by the names and shapes of its tensors.
 *
 * @param what a noun with its article
 * @param role what it can be used as
 */
public record FileKind(String what, Role role) {
    /** What a file can be used as. */
    public enum Role {
        /** A LoRA that {@link AdapterFile} reads. */
        Adapter,
        /** A whole model in one file. */
        Checkpoint,
        /** Token embeddings. */
        Embedding,
        /** Nothing here. */
        None
    }

    /** Marks of adapters that are no plain LoRA of Stable Diffusion, and what these are; the first that fits counts. */
    private static final List<Mark> ADAPTERS = List.of(
            contains("a LyCORIS LoHa", ".hada_w"),
            contains("a LyCORIS LoKr", ".lokr_"),
            contains("an OFT adapter", ".oft_", ".oft_diag", ".oft_blocks"),
            contains("a LoRA of convolutions with a Tucker core", ".lora_mid."),
            new Mark("a GLoRA", n -> n.startsWith("l") && (n.endsWith(".a1.weight") || n.endsWith(".b1.weight"))),
            contains("an (IA)^3 adapter", ".on_input", ".ia3_"),
            contains("a DoRA", ".dora_scale", ".lora_magnitude_vector"),
            contains("a Control-LoRA", "lora_controlnet"),
            new Mark("a full difference of weights", n -> n.startsWith("lora_") && n.endsWith(".diff")),
            new Mark(
                    "a LoRA of Flux",
                    n -> n.startsWith("lora_unet_double_blocks_")
                            || n.startsWith("lora_unet_single_blocks_")
                            || n.contains("single_transformer_blocks") && lora(n)
                            || n.startsWith("diffusion_model.double_blocks.") && lora(n)),
            new Mark(
                    "a LoRA of Stable Diffusion 3",
                    n -> n.startsWith("lora_unet_joint_blocks_") || n.startsWith("transformer.transformer_blocks.")),
            new Mark(
                    "a LoRA with the names that diffusers had until 2023",
                    n -> n.contains(".processor.to_") && lora(n)),
            new Mark("a LoRA in PEFT's own form", n -> n.startsWith("base_model.model.") && lora(n)),
            new Mark(
                    "a LoRA of a diffusion transformer",
                    n -> (n.startsWith("transformer.") || n.startsWith("diffusion_model.")) && lora(n)));

    private record Mark(String what, Predicate<String> of) {}

    private static Mark contains(String what, String... parts) {
        return new Mark(what, name -> Arrays.stream(parts).anyMatch(name::contains));
    }

    private static boolean lora(String name) {
        return name.contains("lora");
    }

    /** What {@code file} is. */
    public static FileKind of(SafeTensors file) {
        Set<String> names = file.entries().keySet();
        String other = first(ADAPTERS, names);
        if (other != null) {
            return new FileKind(other, Role.None);
        }
        if (names.stream().anyMatch(n -> KohyaNames.prefixed(n) || PeftNames.parse(n) != null)) {
            String second = secondGeneration(file);
            return second == null ? new FileKind("a LoRA", Role.Adapter) : new FileKind(second, Role.None);
        }
        ModelKind model = ModelKind.of(file.entries());
        if (model != null) {
            return new FileKind(model.what(), model.checkpoint() ? Role.Checkpoint : Role.None);
        }
        if (embedding(file)) {
            return new FileKind("a textual-inversion embedding", Role.Embedding);
        }
        return new FileKind(ModelKind.unknown(names), Role.None);
    }

    private static @Nullable String first(List<Mark> marks, Set<String> names) {
        for (Mark mark : marks) {
            if (names.stream().anyMatch(mark.of())) {
                return mark.what();
            }
        }
        return null;
    }

    private static @Nullable String secondGeneration(SafeTensors file) {
        String version =
                file.metadata().getOrDefault("ss_base_model_version", "").toLowerCase(Locale.ROOT);
        boolean second = version.startsWith("sd_v2")
                || file.metadata().getOrDefault("ss_v2", "").equals("True");
        for (Map.Entry<String, SafeTensors.Entry> e : file.entries().entrySet()) {
            second |= e.getKey().matches(".*attn2[_.]to_[kv]\\.(lora_down|lora_A|lora\\.down)\\.weight")
                    && e.getValue().shape()[1] == 1024;
        }
        return second ? "a LoRA of Stable Diffusion 2" : null;
    }

    private static boolean embedding(SafeTensors file) {
        Set<String> names = file.entries().keySet();
        return names.size() <= 2
                && !names.isEmpty()
                && file.entries().values().stream()
                        .allMatch(e -> e.shape().length == 2
                                && (e.shape()[1] == 768 || e.shape()[1] == 1024 || e.shape()[1] == 1280));
    }
}
