package training.lora.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import org.jspecify.annotations.Nullable;

/** What a source over a network was when it was read. */
public record SourceVersion(
        @JsonPropertyDescription("Its uri, without a query.")
        String uri,

        @JsonPropertyDescription(
                "What it was resolved to: a commit, an ETag or a version's id; unset where nothing said so.")
        @Nullable String version,

        @JsonPropertyDescription("Tells the source from the others of the run.")
        String key,

        @JsonPropertyDescription("The same for the same content, as far as that can be told without fetching it.")
        @Nullable String fingerprint) {}
