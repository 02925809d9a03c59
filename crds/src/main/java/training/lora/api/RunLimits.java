package training.lora.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import org.jspecify.annotations.Nullable;

/** What limits a run and may be changed while it goes on. */
public record RunLimits(
        @JsonPropertyDescription("As in the spec.") Integer retries,

        @JsonPropertyDescription("As in the spec.") @Nullable Integer activeDeadlineSeconds,

        @JsonPropertyDescription("As in the spec.") @Nullable Integer startDeadlineSeconds,

        @JsonPropertyDescription("Hash of `spec.runtime`.") String runtime) {}
