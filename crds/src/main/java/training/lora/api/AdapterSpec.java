package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;
import java.util.List;

/** What is trained beside each targeted projection: dW = (alpha / rank) B A, and DoRA's magnitudes. */
@ValidationRule(
        value = "self.type != 'DoRA' || self.dropout == 0.0",
        message = "dropout must be 0 with DoRA, of which trainers mean different things by it",
        fieldPath = ".dropout")
public record AdapterSpec(
        @JsonPropertyDescription(
                "LoRA, or DoRA (Liu et al. 2024), which gives each output of a module a magnitude apart from its direction, on the output axis as peft has it; it takes a little longer. Of its two files kohya's form is for ComfyUI, which draws it as it was trained, and diffusers' for diffusers; AUTOMATIC1111 normalizes by inputs and draws another. Default LoRA.")
        AdapterType type,

        @JsonPropertyDescription("Rank of the two factors. Default 16.") @Min(1) @Max(1024) Integer rank,

        @JsonPropertyDescription("Scales the adapter by alpha / rank. Default 16.") @Min(value = 0, inclusive = false) Double alpha,

        @JsonPropertyDescription("Scales it by alpha / sqrt(rank) instead (rsLoRA), for high ranks. Default false.")
        Boolean rankStabilized,

        @JsonPropertyDescription(
                "Share of the entries of a projection's input that the adapter doesn't see at a step; sampling and evaluation see all. Default 0.")
        @Min(0) @Max(value = 1, inclusive = false) Double dropout,

        @JsonPropertyDescription(
                "Which modules of the denoiser, and with textEncoder of the text encoders, are adapted: Attention (queries, keys, values, outputs), FeedForward (the transformers' other maps, which with Attention is what kohya adapts by default), Convolution (all of ResNets and samplers), or patterns over module paths such as *.attn2.to_k or text_encoder_2.*. Default [Attention].")
        @Size(min = 1, max = 64) List<@Size(min = 1, max = 200) String> targets,

        @JsonPropertyDescription(
                "Whether the text encoders are adapted too: Stable Diffusion 1.x's one, both of XL. Captions are then embedded at every step. In text encoders Attention is q_proj, k_proj, v_proj and out_proj, and FeedForward fc1 and fc2; their paths begin with text_encoder. or text_encoder_2., as in text_encoder.*.q_proj. Default false.")
        Boolean textEncoder,

        @JsonPropertyDescription(
                "Ranks and alphas of some of the targets; the last entry that matches a module counts.")
        @Size(max = 64) List<AdapterOverrideSpec> overrides) {
    public AdapterSpec {
        type = orDefault(type, AdapterType.LoRA);
        rank = orDefault(rank, 16);
        alpha = orDefault(alpha, 16.0);
        rankStabilized = orDefault(rankStabilized, false);
        dropout = orDefault(dropout, 0.0);
        textEncoder = orDefault(textEncoder, false);
        targets = targets == null ? List.of("Attention") : List.copyOf(targets);
        overrides = overrides == null ? List.of() : List.copyOf(overrides);
    }
}
