package training.lora.trainer.export;

import ai.djl.ndarray.types.Shape;
import java.util.Collection;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.Component;
import training.lora.trainer.model.UNetConfig;
import training.lora.trainer.model.UNetStateDictAdapter;

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

    /**
     * The family by what a file says of itself, else by what its modules are; null if neither tells.
     *
     * @param downShapes shape of the down factor by component and path, joined by a space
     */
    static @Nullable LoraFamily of(Map<String, String> metadata, Map<String, Shape> downShapes) {
        String version = metadata.getOrDefault("ss_base_model_version", "");
        String architecture =
                metadata.getOrDefault("modelspec.architecture", "").toLowerCase(Locale.ROOT);
        for (LoraFamily family : values()) {
            if (version.equals(family.baseModelVersion) || architecture.equals(family.architecture)) {
                return family;
            }
        }
        Collection<String> modules = downShapes.keySet();
        if (modules.stream().anyMatch(m -> m.startsWith(Component.TextEncoder2.folder() + " "))) {
            return SDXL;
        }
        for (Map.Entry<String, Shape> module : downShapes.entrySet()) {
            if (module.getKey().endsWith("attn2.to_k") || module.getKey().endsWith("attn2.to_v")) {
                for (LoraFamily family : values()) {
                    if (module.getValue().get(1) == family.contextWidth) {
                        return family;
                    }
                }
            }
        }
        // Stable Diffusion XL has no attention in its first level, no fourth, and several transformers in an attention.
        if (modules.stream().anyMatch(m -> m.matches(".* (down_blocks\\.0\\.attentions|(down|up)_blocks\\.3)\\..*"))) {
            return SD15;
        }
        if (modules.stream().anyMatch(m -> m.matches(".*transformer_blocks\\.[1-9].*"))) {
            return SDXL;
        }
        return null;
    }

    /** The key of a module for {@link #of}. */
    static String key(Component component, String path) {
        return component.folder() + " " + Objects.requireNonNull(path);
    }
}
