package training.lora.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;
import org.jspecify.annotations.Nullable;

/** Another rank, alpha or learning rate for some of an adapter's targets. */
@ValidationRule(
        value = "has(self.rank) || has(self.alpha) || has(self.learningRateFactor)",
        message = "an entry of adapter.overrides must have a rank, an alpha or a learningRateFactor")
public record AdapterOverrideSpec(
        @JsonPropertyDescription("A group or a pattern, as in targets.") @Required @Size(min = 1, max = 200) String target,

        @JsonPropertyDescription("Rank of the factors. Unset: the adapter's.") @Min(1) @Max(1024) @Nullable Integer rank,

        @JsonPropertyDescription("Scales by alpha / rank. Unset: the adapter's.")
        @Min(value = 0, inclusive = false) @Nullable Double alpha,

        @JsonPropertyDescription("What the learning rate is multiplied by there. Unset: 1.")
        @Min(value = 0, inclusive = false) @Max(1000) @Nullable Double learningRateFactor) {}
