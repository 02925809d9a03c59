package training.lora.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;

/** A state of a training from which another attempt can go on. */
public record SavedState(
        @JsonPropertyDescription("Steps done.") Integer step,

        @JsonPropertyDescription("When it was written, RFC 3339.")
        String time) {}
