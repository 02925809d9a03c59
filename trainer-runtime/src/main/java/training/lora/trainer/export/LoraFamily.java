package training.lora.trainer.export;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.adapter.AdapterPart;
import training.lora.trainer.adapter.ModuleForm;
import training.lora.trainer.model.basemodel.UNetStateDictAdapter;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.model.unet.UNetConfig;
import training.lora.trainer.tensor.SafeTensors;

/** The families of base models that an adapter can be of, and how its files tell them. */
public enum LoraFamily {
    SD15("sd_v1", "stable-diffusion-v1/lora", "diffusers", 768, UNetConfig.SD15),
    SDXL(
            "sdxl_base_v1-0",
            "stable-diffusion-xl-v1-base/lora",
            "https://github.com/Stability-AI/generative-models",
            2048,
            UNetConfig.SDXL);

    private final String baseModelVersion;
    private final String architecture;
    private final String implementation;
    private final int contextWidth;
    private final UNetStateDictAdapter paths;

    LoraFamily(
            String baseModelVersion, String architecture, String implementation, int contextWidth, UNetConfig config) {
        this.baseModelVersion = baseModelVersion;
        this.architecture = architecture;
        this.implementation = implementation;
        this.contextWidth = contextWidth;
        this.paths = new UNetStateDictAdapter(config);
    }

    /** {@code ss_base_model_version}, by which UIs tell the family. */
    String baseModelVersion() {
        return baseModelVersion;
    }

    /** {@code modelspec.architecture}. */
    String architecture() {
        return architecture;
    }

    /** {@code modelspec.implementation}, as kohya writes it for the names that this family's files have. */
    String implementation() {
        return implementation;
    }

    /** The names of the published models' UNet. */
    UNetStateDictAdapter paths() {
        return paths;
    }

    /** The family of a file that may hold more than factors; null if nothing tells. */
    static @Nullable LoraFamily of(SafeTensors file) {
        List<Module> modules = new ArrayList<>();
        file.entries().forEach((tensor, entry) -> {
            TensorName name = TensorName.parse(tensor, SD15.paths);
            if (name != null) {
                boolean tells = name.part() == AdapterPart.Down
                        || name.part() == AdapterPart.HadaW1B
                        || name.part() == AdapterPart.Diff;
                long in = tells && entry.shape().length > 1 ? entry.shape()[1] : 0;
                modules.add(new Module(name.component(), name.path(), in));
            }
        });
        return told(file.metadata(), modules);
    }

    /** The family by what a file says of itself, else by what its modules are; null if neither tells. */
    static @Nullable LoraFamily of(Map<String, String> metadata, Collection<ModuleForm> modules) {
        return told(
                metadata,
                modules.stream()
                        .map(m -> new Module(m.component(), m.path(), m.fanIn()))
                        .toList());
    }

    private record Module(Component component, String path, long in) {}

    private static @Nullable LoraFamily told(Map<String, String> metadata, List<Module> modules) {
        String version = metadata.getOrDefault("ss_base_model_version", "");
        String architecture =
                metadata.getOrDefault("modelspec.architecture", "").toLowerCase(Locale.ROOT);
        for (LoraFamily family : values()) {
            if (version.equals(family.baseModelVersion) || architecture.equals(family.architecture)) {
                return family;
            }
        }
        if (modules.stream()
                .anyMatch(
                        m -> m.component() == Component.TextEncoder2 || m.path().startsWith("add_embedding."))) {
            return SDXL;
        }
        for (Module module : modules) {
            if (module.path().endsWith("attn2.to_k") || module.path().endsWith("attn2.to_v")) {
                for (LoraFamily family : values()) {
                    if (module.in() == family.contextWidth) {
                        return family;
                    }
                }
            }
        }
        // Stable Diffusion XL has no attention in its first level, no fourth, and several transformers in an attention.
        if (modules.stream()
                .anyMatch(m -> m.path().matches("(down_blocks\\.0\\.attentions|(down|up)_blocks\\.3)\\..*"))) {
            return SD15;
        }
        if (modules.stream().anyMatch(m -> m.path().matches(".*transformer_blocks\\.[1-9].*"))) {
            return SDXL;
        }
        return null;
    }
}
