package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What is trained beside each targeted projection: with LoRA dW = (alpha / rank) B A. */
@ValidationRule(
        value = "self.type == 'LoRA' || self.dropout == 0.0",
        message = "dropout must be 0 with DoRA, LoHa and LoKr, of which trainers mean different things by it",
        fieldPath = ".dropout")
@ValidationRule(
        value = "!has(self.factor) || (self.type == 'LoKr' && self.factor != 0)",
        message = "factor must be unset unless type is LoKr, and not be 0",
        fieldPath = ".factor")
@ValidationRule(
        value = "self.type == 'LoRA' || (!has(self.rankDropout) && !has(self.timestepRank) && !has(self.maximumNorm))",
        message = "rankDropout, timestepRank and maximumNorm must be unset unless type is LoRA")
@ValidationRule(
        value = "!has(self.timestepRank) || self.timestepRank.minimum <= self.rank",
        message = "timestepRank.minimum must be at most rank",
        fieldPath = ".timestepRank")
public record AdapterSpec(
        @JsonPropertyDescription(
                "LoRA, or DoRA (Liu et al. 2024), which gives each output of a module a magnitude apart from its direction, on the output axis as peft has it; it takes a little longer. Of its two files kohya's form is for ComfyUI, which draws it as it was trained, and diffusers' for diffusers; AUTOMATIC1111 normalizes by inputs and draws another, unless it has the form A1111Baked. LoHa (Hyeon-Woo et al. 2022): the product, entry by entry, of two products of a low rank, whose own rank can be as high as theirs squared. LoKr (Yeh et al. 2023): a Kronecker product, of few numbers. Both have LyCORIS' names and formulas and one file, kohya's form, which ComfyUI and AUTOMATIC1111 read. OFT, BOFT and others are not trained. Default LoRA.")
        AdapterType type,

        @JsonPropertyDescription(
                "Rank of the factors. A LoKr's second matrix is whole where it is half of its greater side or more. Default 16.")
        @Min(1) @Max(1024) Integer rank,

        @JsonPropertyDescription(
                "LoKr's: into what the inputs and outputs of a module are divided, as LyCORIS' factor: the first matrix is as wide and as high as this where it divides them, else as the nearest divisor below it; -1: as the root of each, which makes the adapter smallest. Unset: -1.")
        @Min(-1) @Max(1024) @Nullable Integer factor,

        @JsonPropertyDescription("Scales the adapter by alpha / rank. Default 16.") @Min(value = 0, inclusive = false) Double alpha,

        @JsonPropertyDescription("Scales it by alpha / sqrt(rank) instead (rsLoRA), for high ranks. Default false.")
        Boolean rankStabilized,

        @JsonPropertyDescription(
                "Share of the entries of a projection's input that the adapter doesn't see at a step; sampling and evaluation see all. Default 0.")
        @Min(0) @Max(value = 1, inclusive = false) Double dropout,

        @JsonPropertyDescription(
                "LoRA's: chance of each rank of a module to be left out for a sample of a step; the others are scaled up for it, as kohya's rank_dropout. Unset: 0.")
        @Min(0) @Max(value = 1, inclusive = false) @Nullable Double rankDropout,

        @JsonPropertyDescription(
                "Chance of each module's adapter to be left out at a batch of a step, as kohya's module_dropout. Unset: 0.")
        @Min(0) @Max(value = 1, inclusive = false) @Nullable Double moduleDropout,

        @JsonPropertyDescription(
                "LoRA's: ranks that the denoiser's modules train fall with the timestep (T-LoRA), which keeps few pictures from being learned by heart; the file is a plain LoRA, drawn with all ranks. Unset: all ranks at every timestep.")
        @Nullable TimestepRankSpec timestepRank,

        @JsonPropertyDescription(
                "LoRA's: greatest norm of what a module adds to its weight; after a step the factors of a greater one are scaled down, as kohya's scale_weight_norms. Unset: any.")
        @Min(value = 0, inclusive = false) @Nullable Double maximumNorm,

        @JsonPropertyDescription(
                "Which modules of the denoiser, and with textEncoder of the text encoders, are adapted: Attention (queries, keys, values, outputs), FeedForward (the transformers' other maps, which with Attention is what kohya adapts by default), Convolution (all of ResNets and samplers), or patterns over module paths such as *.attn2.to_k or text_encoder_2.*. Default [Attention].")
        @Size(min = 1, max = 64) List<@Size(min = 1, max = 200) String> targets,

        @JsonPropertyDescription(
                "Whether the text encoders are adapted too, with FullFineTuning all of their own weights trained: Stable Diffusion 1.x's one, both of XL. Captions are then embedded at every step. In text encoders Attention is q_proj, k_proj, v_proj and out_proj, and FeedForward fc1 and fc2; their paths begin with text_encoder. or text_encoder_2., as in text_encoder.*.q_proj. Default false.")
        Boolean textEncoder,

        @JsonPropertyDescription(
                "Ranks, alphas and learning rates of some of the targets; the last entry that matches a module counts.")
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
