package training.lora.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Pattern;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;

/** Where downloads are kept. */
public record CacheSpec(
        @JsonPropertyDescription(
                "An existing claim that several runs share, mode ReadWriteMany if they run on several nodes; what one has downloaded, the next one reads.")
        @Required
        @Pattern(RuntimeSpec.DNS_SUBDOMAIN) @Size(max = 253) String claimName) {}
