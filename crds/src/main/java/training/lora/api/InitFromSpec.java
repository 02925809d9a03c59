package training.lora.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Pattern;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;

/** An adapter to go on from. */
public record InitFromSpec(
        @JsonPropertyDescription(
                "A .safetensors file in kohya's or diffusers' form: bundled://NAME, pvc://CLAIM/PATH, or, outside a cluster, a path relative to the file.")
        @Required
        @Pattern(Uris.PATTERN) @Size(max = Uris.MAX_LENGTH) String uri) {}
