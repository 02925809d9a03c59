package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import training.lora.api.AdapterOverrideSpec;
import training.lora.api.AdapterSpec;
import training.lora.api.AdapterType;
import training.lora.api.CleanUp;
import training.lora.api.ConceptMode;
import training.lora.api.ConceptSpec;
import training.lora.api.CropMode;
import training.lora.api.DatasetRole;
import training.lora.api.DatasetSpec;
import training.lora.api.Json;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.LossSpec;
import training.lora.api.LossWeighting;
import training.lora.api.MaskSource;
import training.lora.api.ModelFamily;
import training.lora.api.OptimizerSpec;
import training.lora.api.OptimizerType;
import training.lora.api.Precision;
import training.lora.api.PreparationSpec;
import training.lora.api.PromptSpec;
import training.lora.api.SamplingSpec;
import training.lora.api.Sizing;
import training.lora.api.TokensSpec;
import training.lora.api.TrainingMethod;
import training.lora.api.TrainingSpec;
import training.lora.api.Uris;
import training.lora.trainer.WholeWords;

/**
 * A training as Eden's trainer writes it down in {@code training_args.json}: what {@link EdenConfig} reads, with its keys' names and units.
 * What Eden has no key for isn't there.
 */
public final class EdenArguments {
    public static final String TOKEN = "TOK";

    private final LoraTrainingSpec spec;
    private final ObjectNode arguments = Json.MAPPER.createObjectNode();

    private EdenArguments(LoraTrainingSpec spec) {
        this.spec = spec;
    }

    /**
     * Those of a run.
     *
     * @param name the training's
     * @param family of its base model
     * @param steps how many it has
     */
    public static ObjectNode of(LoraTrainingSpec spec, String name, ModelFamily family, int steps) {
        EdenArguments made = new EdenArguments(spec);
        made.arguments
                .put("name", name)
                .put("lora_training_urls", made.urls())
                .put("concept_mode", made.mode().name().toLowerCase(Locale.ROOT))
                .put("sd_model_version", version(family))
                .put("ckpt_path", Uris.shown(spec.baseModel().uri()));
        made.preparation(spec.preparation());
        made.training(spec.training(), steps);
        made.tokens(spec.training().tokens());
        made.sampling(spec.sampling());
        return made.arguments;
    }

    /** What Eden calls a family. */
    public static String version(ModelFamily family) {
        return family.name().toLowerCase(Locale.ROOT);
    }

    /** Its {@code token_dict}: of one word by the name that its tools know, of several by their own. */
    public static ObjectNode tokenDictionary(List<String> words, int tokensOfEach) {
        ObjectNode dictionary = Json.MAPPER.createObjectNode();
        int next = 0;
        for (String word : words) {
            StringBuilder tokens = new StringBuilder();
            for (int i = 0; i < tokensOfEach; i++) {
                tokens.append("<s").append(next++).append('>');
            }
            dictionary.put(words.size() == 1 ? TOKEN : word, tokens.toString());
        }
        return dictionary;
    }

    private List<DatasetSpec> learned() {
        return spec.datasets().stream()
                .filter(d -> d.role() == DatasetRole.Train)
                .toList();
    }

    /** Those that call what is learned, each once. */
    private List<String> words() {
        return LoraTrainingSpec.trainedTriggers(spec.datasets()).toList();
    }

    /**
     * What stands before captions. In Eden it stands in the trigger's place, and without its word no tokens are trained; here it stands
     * before the trigger where it doesn't say it. Of several words each data set must have its own, which is read back; else TOK stands
     * for all of them.
     */
    private String prefix() {
        String prefix = spec.preparation().captions().prefix();
        List<String> words = words();
        boolean ownEach = words.size() > 1 && words.size() == learned().size();
        if (prefix.isEmpty() || !spec.training().tokens().any() || words.isEmpty() || ownEach) {
            return prefix;
        }
        String named = prefix;
        for (String word : words) {
            named = WholeWords.of(word).matcher(named).replaceAll(TOKEN);
        }
        return named.contains(TOKEN) ? named : named + mode().phrase(TOKEN) + ", ";
    }

    private String urls() {
        return learned().stream().map(d -> Uris.shown(d.uri())).collect(Collectors.joining("|"));
    }

    private @Nullable ConceptSpec concept() {
        return learned().stream()
                .map(DatasetSpec::concept)
                .filter(Objects::nonNull)
                .findFirst()
                .orElse(null);
    }

    private ConceptMode mode() {
        ConceptSpec concept = concept();
        return concept == null ? ConceptMode.Style : concept.mode();
    }

    private void preparation(PreparationSpec preparation) {
        if (preparation.resolution() != null) {
            arguments.put("resolution", preparation.resolution());
        }
        arguments
                .put("aspect_ratio_bucketing", preparation.sizing() == Sizing.Buckets)
                .put("left_right_flip_augmentation", preparation.flip())
                .put("augment_imgs_up_to_n", preparation.augmentTo())
                .put(
                        "caption_model",
                        switch (preparation.captions().source()) {
                            case Blip -> "blip";
                            case Florence2 -> "florence";
                            case OpenAI -> "gpt4-v";
                            default -> "no_caption";
                        })
                .put("caption_prefix", prefix())
                .put("skip_gpt_cleanup", preparation.captions().cleanUp() == CleanUp.None)
                .put("crop_based_on_salience", preparation.crop() == CropMode.Salience)
                .put("use_face_detection_instead", preparation.mask().source() == MaskSource.Face)
                .put("clipseg_temperature", preparation.mask().temperature());
        String suffix = preparation.captions().suffix();
        if (suffix != null && !suffix.isEmpty()) {
            arguments.put("prompt_modifier", "{}" + suffix);
        }
        if (preparation.mask().source() == MaskSource.Segment) {
            arguments.put(
                    "mask_target_prompts", String.join(", ", preparation.mask().prompts()));
        }
    }

    private void training(TrainingSpec training, int steps) {
        int batches = training.gradientAccumulation();
        arguments
                .put("seed", training.seed())
                .put("max_train_steps", steps * batches)
                .put("train_batch_size", training.batchSize())
                .put("gradient_accumulation_steps", batches)
                .put("weight_type", training.precision() == Precision.Float32 ? "fp32" : "bf16")
                .put("caption_dropout", training.captions().dropout());
        Integer every = training.checkpoints().everySteps();
        if (every != null) {
            arguments.put("checkpointing_steps", every * batches);
        }
        LossSpec loss = training.loss();
        arguments
                .put("noise_offset", loss.offsetNoise())
                .put("snr_gamma", loss.weighting() == LossWeighting.MinSnr ? loss.minSnrGamma() : 0)
                .put("l1_penalty", orZero(loss.adapterL1()));
        adapter(training.adapter());
        optimizer(training, batches);
    }

    private void adapter(AdapterSpec adapter) {
        arguments
                .put("is_lora", true)
                .put("lora_rank", adapter.rank())
                .put("lora_alpha_multiplier", adapter.alpha() / adapter.rank())
                .put("use_dora", adapter.type() == AdapterType.DoRA);
        if (!adapter.textEncoder()) {
            return;
        }
        arguments.put("text_encoder_lora_optimizer", "adamw");
        int rank = adapter.overrides().stream()
                .filter(o -> o.target().startsWith("text_encoder"))
                .map(AdapterOverrideSpec::rank)
                .filter(Objects::nonNull)
                .findFirst()
                .orElse(adapter.rank());
        arguments.put("text_encoder_lora_rank", rank);
    }

    private void optimizer(TrainingSpec training, int batches) {
        OptimizerSpec optimizer = training.optimizer();
        boolean adapts = training.method() == TrainingMethod.Adapter;
        boolean prodigy = optimizer.type() == OptimizerType.Prodigy;
        switch (optimizer.type()) {
            case AdamW, Prodigy ->
                arguments.put("unet_optimizer_type", optimizer.type().name().toLowerCase(Locale.ROOT));
            case AdamW8bit -> arguments.put("unet_optimizer_type", "AdamW8bit");
            default -> {}
        }
        arguments
                .put("unet_lr", adapts ? optimizer.highestLearningRate() : 0)
                .put("lora_weight_decay", optimizer.weightDecay())
                .put("unet_lr_warmup_steps", optimizer.schedule().warmupSteps() * batches);
        if (prodigy) {
            arguments.put("prodigy_d_coef", optimizer.dCoefficient());
            if (optimizer.growthRate() != null) {
                arguments.put("unet_prodigy_growth_factor", optimizer.growthRate());
            }
        }
        if (optimizer.startFraction() != null) {
            arguments.put("freeze_unet_before_completion_f", optimizer.startFraction());
        }
        if (training.adapter().textEncoder() && optimizer.textEncoderLearningRate() != null) {
            arguments.put("text_encoder_lora_lr", optimizer.textEncoderLearningRate());
        }
    }

    private void tokens(TokensSpec tokens) {
        ConceptSpec concept = concept();
        String trigger = concept == null ? null : concept.trigger();
        // Eden's word for what has no tokens.
        arguments.put("disable_ti", !tokens.any());
        if (!tokens.any()) {
            return;
        }
        boolean prodigy = tokens.optimizer() == OptimizerType.Prodigy;
        List<String> words = words();
        ObjectNode dictionary = tokenDictionary(words, tokens.count());
        arguments
                .put("n_tokens", tokens.count())
                .put("ti_optimizer", prodigy ? "prodigy" : "adamw")
                .put("ti_lr", tokens.highestLearningRate())
                .put("ti_weight_decay", tokens.weightDecay())
                .put("ti_lr_warmup_steps", tokens.warmupSteps())
                .put("freeze_ti_after_completion_f", tokens.stopFraction() == null ? 1 : tokens.stopFraction())
                .put("tok_cov_reg_w", tokens.covarianceWeight())
                .put("token_attention_loss_w", orZero(tokens.attentionWeight()))
                .put("cond_reg_w", orZero(tokens.promptNormWeight()))
                .put("tok_cond_reg_w", orZero(tokens.triggerNormWeight()))
                .set("token_dict", dictionary);
        var list = arguments.putArray("inserting_list_tokens");
        for (int i = 0; i < words.size() * tokens.count(); i++) {
            list.add("<s" + i + ">");
        }
        if (concept != null && trigger != null) {
            ObjectNode attributes = arguments.putObject("training_attributes");
            attributes.put("trigger_text", mode() == ConceptMode.Style ? "in the style of TOK, " : TOKEN);
            if (tokens.descriptionSteps() != null) {
                arguments.put("token_warmup_steps", tokens.descriptionSteps());
                attributes.put("gpt_description", concept.description());
            }
        }
    }

    private static double orZero(@Nullable Double weight) {
        return weight == null ? 0 : weight;
    }

    private void sampling(SamplingSpec sampling) {
        arguments.put("n_sample_imgs", sampling.enabled() ? sampling.prompts().size() : 0);
        if (sampling.size() != null) {
            arguments.put("validation_img_size", sampling.size());
        }
        if (sampling.strength() != null) {
            arguments.put("sample_imgs_lora_scale", sampling.strength());
        }
        if (!sampling.prompts().isEmpty()) {
            sampling.prompts().stream().map(PromptSpec::text).forEach(arguments.putArray("validation_prompts")::add);
        }
    }
}
