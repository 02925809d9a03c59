package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.Size;
import java.util.List;

/** A LoRA: dW = (alpha / rank) B A beside each targeted projection. */
public record AdapterSpec(
        @JsonPropertyDescription("Rank of the two factors. Default 16.") @Min(1) @Max(1024) Integer rank,

        @JsonPropertyDescription("Scales the adapter by alpha / rank. Default 16.") @Min(value = 0, inclusive = false) Double alpha,

        @JsonPropertyDescription("Scales it by alpha / sqrt(rank) instead (rsLoRA), for high ranks. Default false.")
        Boolean rankStabilized,

        @JsonPropertyDescription(
                "Share of the entries of a projection's input that the adapter doesn't see at a step; sampling and evaluation see all. Default 0.")
        @Min(0) @Max(value = 1, inclusive = false) Double dropout,

        @JsonPropertyDescription(
                "Which projections of the denoiser are adapted: Attention (all of them), or patterns over module paths such as *.attn2.to_k. Default [Attention].")
        @Size(min = 1, max = 64) List<@Size(min = 1, max = 200) String> targets) {
    public AdapterSpec {
        rank = orDefault(rank, 16);
        alpha = orDefault(alpha, 16.0);
        rankStabilized = orDefault(rankStabilized, false);
        dropout = orDefault(dropout, 0.0);
        targets = targets == null ? List.of("Attention") : List.copyOf(targets);
    }
}
