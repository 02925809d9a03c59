package training.lora.trainer.export;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.adapter.AdapterPart;
import training.lora.trainer.model.basemodel.ModelKind;
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
        /** A LoRA, DoRA, LoHa, LoKr or full difference of weights that {@link AdapterFile} reads. */
        Adapter,
        /** A whole model in one file. */
        Checkpoint,
        /** Token embeddings. */
        Embedding,
        /** Nothing here. */
        None
    }

    private static final String DIFFERENCE = AdapterPart.Diff.kohya();

    /**
     * Marks of adapters of any architecture of kinds that are not read, and of LoRAs with more than that; the first that fits
     * counts.
     */
    private static final List<Mark> OTHER_METHODS = List.of(
            contains("a BOFT adapter", ".boft_"),
            contains("an OFT adapter", ".oft_"),
            new Mark("a GLoRA", n -> n.startsWith("l") && (n.endsWith(".a1.weight") || n.endsWith(".b1.weight"))),
            contains("an (IA)^3 adapter", ".on_input", ".ia3_"),
            contains("a Control-LoRA", "lora_controlnet"),
            new Mark(
                    "a full difference of weights with one of biases",
                    n -> n.endsWith(".diff_b")
                            && (n.startsWith("lora_")
                                    || n.startsWith("lycoris_")
                                    || n.startsWith("diffusion_model.")
                                    || n.startsWith("text_encoders."))),
            new Mark("an adapter of norms", n -> n.endsWith(".w_norm") || n.endsWith(".b_norm")),
            new Mark("a LoRA with biases", n -> lora(n) && n.endsWith(".bias")),
            new Mark(
                    "a LoRA that replaces or reshapes weights",
                    n -> n.endsWith(".set_weight") || n.endsWith(".reshape_weight")));

    /** Marks of LoRAs of other architectures. */
    private static final List<Mark> OTHER_ARCHITECTURES = List.of(
            new Mark(
                    "a LoRA of Flux",
                    n -> n.startsWith("lora_unet_double_blocks_")
                            || n.startsWith("lora_unet_single_blocks_")
                            || n.contains("single_transformer_blocks") && lora(n)
                            || n.startsWith("diffusion_model.double_blocks.") && lora(n)),
            new Mark(
                    "a LoRA of Stable Diffusion 3",
                    n -> n.startsWith("lora_unet_joint_blocks_") || n.startsWith("transformer.transformer_blocks.")),
            new Mark("a LoRA of Stable Cascade", n -> n.startsWith("lora_prior_")));

    /** Marks of what no name is understood in. */
    private static final List<Mark> UNKNOWN = List.of(
            new Mark(
                    "an adapter in PEFT's own form, whose scale stands in adapter_config.json",
                    n -> n.startsWith("base_model.model.") && (lora(n) || TensorName.isFactor(n))),
            new Mark(
                    "a LoRA of a diffusion transformer",
                    n -> (n.startsWith("transformer.")
                                    || n.startsWith("lora_transformer_")
                                    || n.startsWith("diffusion_model."))
                            && lora(n)),
            new Mark("a full difference of weights of another architecture", n -> n.endsWith(DIFFERENCE)),
            new Mark("a LoRA of another architecture", TensorName::isFactor));

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
        String other = first(OTHER_METHODS, names);
        other = other == null ? first(OTHER_ARCHITECTURES, names) : other;
        if (other != null) {
            return new FileKind(other, Role.None);
        }
        if (names.stream().anyMatch(FileKind::understood)) {
            String second = secondGeneration(file);
            return second == null ? new FileKind(adapter(names), Role.Adapter) : new FileKind(second, Role.None);
        }
        if (names.stream().allMatch(TokenFiles::isBundled) && !names.isEmpty()) {
            return new FileKind("bundled embeddings", Role.Adapter);
        }
        other = first(UNKNOWN, names);
        if (other != null) {
            return new FileKind(other, Role.None);
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

    private static String adapter(Set<String> names) {
        if (names.stream().anyMatch(n -> TensorName.isLycoris(n, "hada"))) {
            return "a LoHa";
        }
        if (names.stream().anyMatch(n -> TensorName.isLycoris(n, "lokr"))) {
            return "a LoKr";
        }
        if (names.stream().anyMatch(TensorName::isMagnitude)) {
            return "a DoRA";
        }
        boolean differences =
                names.stream().filter(n -> !TokenFiles.isBundled(n)).allMatch(n -> n.endsWith(DIFFERENCE));
        return differences ? "a full difference of weights" : "a LoRA";
    }

    /** A module of either family: upsamplers stand in other places in the original code's names. */
    private static boolean understood(String tensor) {
        return TensorName.parse(tensor, LoraFamily.SD15.paths()) != null
                || TensorName.parse(tensor, LoraFamily.SDXL.paths()) != null;
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
            TensorName name = TensorName.parse(e.getKey(), LoraFamily.SD15.paths());
            long[] shape = e.getValue().shape();
            second |= name != null
                    && (name.part() == AdapterPart.Down || name.part() == AdapterPart.Diff)
                    && name.path().matches(".*attn2\\.to_[kv]")
                    && shape.length > 1
                    && shape[1] == 1024;
        }
        return second ? adapter(file.entries().keySet()) + " of Stable Diffusion 2" : null;
    }

    private static boolean embedding(SafeTensors file) {
        Set<String> names = file.entries().keySet();
        return names.size() <= 2
                && !names.isEmpty()
                && file.entries().values().stream()
                        .allMatch(e -> e.shape().length == 2
                                && (TokenFiles.NAMES.containsAll(names)
                                        || e.shape()[1] == 768
                                        || e.shape()[1] == 1024
                                        || e.shape()[1] == 1280));
    }
}
