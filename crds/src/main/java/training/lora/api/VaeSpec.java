package training.lora.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Pattern;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;

/** An autoencoder. */
public record VaeSpec(
        @JsonPropertyDescription(
                "A diffusers autoencoder's folder, or a .safetensors file with one in diffusers' or the original code's names: bundled://NAME, pvc://CLAIM/PATH, or, outside a cluster, a path relative to the file.")
        @Required
        @Pattern(Uris.PATTERN) @Size(max = Uris.MAX_LENGTH) String uri) {}
