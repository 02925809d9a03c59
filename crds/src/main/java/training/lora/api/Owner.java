package training.lora.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;

/** The resource that a run belongs to. */
public record Owner(
        @JsonPropertyDescription("Its namespace; outside a cluster, default.")
        String namespace,

        @JsonPropertyDescription("Its name.") String name) {}
