package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Pattern;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;

/** A set of pictures with captions. */
public record DatasetSpec(
        @JsonPropertyDescription("Names the data set in messages. Default main.")
        @Pattern("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$") @Size(min = 1, max = 63) String name,

        @JsonPropertyDescription(
                "A folder or a .zip of pictures, each with a caption beside it in NAME.txt: bundled://NAME, pvc://CLAIM/PATH, or, outside a cluster, a path relative to the file.")
        @Required
        @Pattern("^(bundled|pvc)://[A-Za-z0-9._-]+(/.+)?$|^[^:]+$") @Size(max = 1024)
        String uri) {
    public DatasetSpec {
        name = orDefault(name, "main");
    }
}
