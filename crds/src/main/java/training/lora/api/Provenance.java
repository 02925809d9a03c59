package training.lora.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import org.jspecify.annotations.Nullable;

/** What the run was made from. */
public record Provenance(
        @JsonPropertyDescription("sha256 over the base model's files.") @Nullable String baseModelDigest,

        @JsonPropertyDescription("sha256 over the pictures and captions.") @Nullable String datasetDigest,

        @JsonPropertyDescription("The trainer's image.") @Nullable String image) {}
