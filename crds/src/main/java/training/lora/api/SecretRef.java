package training.lora.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Pattern;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;

/** A Secret in the resource's namespace, which the platform lets trainings use. */
public record SecretRef(
        @JsonPropertyDescription(
                "Its name. It must bear the label lora.training/allow: \"true\". Keys that are read: token; username and password; AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION and AWS_ENDPOINT_URL.")
        @Required
        @Pattern(RuntimeSpec.DNS_SUBDOMAIN) @Size(max = 253) String name) {}
