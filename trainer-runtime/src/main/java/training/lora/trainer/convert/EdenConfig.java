package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Objects;
import training.lora.api.CaptionDetail;
import training.lora.api.CaptionSource;
import training.lora.api.CleanUp;
import training.lora.api.ConceptMode;
import training.lora.api.CropMode;
import training.lora.api.DropoutRest;
import training.lora.api.LossWeighting;
import training.lora.api.MaskSource;
import training.lora.api.ModelFamily;
import training.lora.api.OptimizerType;
import training.lora.api.Precision;
import training.lora.api.ScheduleType;
import training.lora.api.Sizing;
import training.lora.api.TrainingMethod;

/** Eden's {@code training_args.json}: its recipe, with the defaults of its newest version (August 2025). */
final class EdenConfig {
    /** A norm that no gradient has: Eden doesn't clip. */
    private static final double NO_CLIPPING = 1e9;

    /** With which its rate begins to rise. */
    private static final double RATE_BEFORE = 5e-5;

    private static final double RATE_BEFORE_WITHOUT_TOKENS = 2e-4;
    private static final double RATE_BEFORE_OF_WEIGHTS = 1e-5;

    private static final int LONGEST_NAME = 40;
    private static final String TOKEN = EdenArguments.TOKEN;
    private static final String CLIPSEG = "hf://Xenova/clipseg-rd64-refined";

    private final Options options;
    private final Findings findings;
    private final Places places;
    private final Draft draft;

    /** Whether tokens are trained there. */
    private final boolean tokens;

    /** Whether the denoiser's own weights are trained, not an adapter. */
    private final boolean whole;

    private final ConceptMode mode;

    private EdenConfig(Options options, Places places) {
        this.options = options;
        this.findings = options.findings();
        this.places = places;
        draft = new Draft(name());
        tokens = !options.flag("disable_ti", false) && !options.flag("remove_ti_token_from_prompts", false);
        whole = !options.flag("is_lora", true);
        mode = switch (options.choice("concept_mode", "", List.of("face", "style", "object"))) {
            case "face" -> ConceptMode.Face;
            case "object" -> ConceptMode.Object;
            default -> ConceptMode.Style;
        };
    }

    static Converted convert(ObjectNode file, String name, Places places) {
        Findings findings = new Findings(name, OptionTable.read("eden"));
        findings.look(file, "");
        EdenConfig config = new EdenConfig(new Options(findings, file, ""), places);
        config.baseModel();
        config.datasets();
        config.preparation();
        config.captions();
        config.mask();
        config.training();
        if (config.whole) {
            config.wholeModel();
        } else {
            config.adapter();
        }
        if (config.tokens && config.hasTrigger()) {
            new EdenTokens(config.options, config.draft).put();
        }
        config.optimizer();
        config.loss();
        new EdenSampling(config.options, config.draft, config.mode).put();
        config.output();
        return config.draft.done(Tool.Eden, findings);
    }

    private String name() {
        String name = options.text("name");
        if (name != null) {
            return name;
        }
        String[] places = EdenData.urls(options);
        String last =
                places[0].replaceFirst("[?#].*$", "").replaceFirst("/+$", "").replaceFirst("^.*/", "");
        String plain = last.replaceFirst("\\.[A-Za-z0-9]{1,4}$", "");
        return plain.substring(0, Math.min(plain.length(), LONGEST_NAME));
    }

    private boolean bundled() {
        return draft.at("baseModel.uri").asText().startsWith("bundled://");
    }

    private void baseModel() {
        String path = options.text("ckpt_path");
        String version = options.text("sd_model_version");
        if (version != null) {
            boolean xl = options.choice("sd_model_version", "", List.of("sdxl", "sd15"))
                    .equals("sdxl");
            draft.put("sd_model_version", "baseModel.family", xl ? ModelFamily.SDXL : ModelFamily.SD15);
            if (path == null) {
                String base = xl
                        ? "hf://stabilityai/stable-diffusion-xl-base-1.0"
                        : "hf://stable-diffusion-v1-5/stable-diffusion-v1-5";
                draft.put("sd_model_version", "baseModel.uri", base);
                findings.note("the base model is %s; `ckpt_path` may name another, such as Eden's own".formatted(base));
            }
        }
        if (path != null) {
            draft.put("ckpt_path", "baseModel.uri", places.input(findings, "ckpt_path", path));
        } else if (version == null) {
            throw options.wrong("ckpt_path", "be given where `sd_model_version` is not");
        }
    }

    private void datasets() {
        List<String> words = EdenTokens.words(options, tokens);
        // Words of several data sets are not in what stands before all captions.
        boolean several = words.stream().distinct().count() > 1;
        boolean triggered = several || prefix().isEmpty() || prefix().contains(TOKEN);
        new EdenData(options, places, draft).put(mode, triggered ? words : List.of());
        if (tokens && !hasTrigger()) {
            findings.note(
                    options.text("caption_prefix") != null
                            ? "no tokens are trained, since `caption_prefix` has no TOK"
                            : "no tokens are trained, since `prompt_modifier` has no TOK before its {}");
        }
    }

    private boolean hasTrigger() {
        return draft.at("datasets.0.concept.trigger").isTextual();
    }

    /** What stands around captions: before the modifier's {} with the prefix, and behind it. */
    private String prefix() {
        return EdenSampling.modifier(options)[0] + options.text("caption_prefix", "");
    }

    private void preparation() {
        int side = options.whole("resolution", 512);
        int rounded = Math.max(1, Math.round(side / 64f)) * 64;
        if (rounded != side) {
            findings.note("`resolution` %d became %d, the nearest multiple of 64".formatted(side, rounded));
        }
        draft.put("resolution", "preparation.resolution", rounded);
        boolean buckets = options.flag("aspect_ratio_bucketing", false);
        draft.put("preparation.sizing", buckets ? Sizing.Buckets : Sizing.AverageAspect);
        boolean flip = options.flag("left_right_flip_augmentation", true) && mode != ConceptMode.Face;
        draft.put("preparation.flip", flip);
        draft.put("augment_imgs_up_to_n", "preparation.augmentTo", options.whole("augment_imgs_up_to_n", 40));
    }

    private void captions() {
        String captions = "preparation.captions.";
        String key = "caption_model";
        switch (options.choice(key, "florence", List.of("gpt4-v", "blip", "florence", "no_caption"))) {
            case "blip" -> {
                draft.put(key, captions + "source", CaptionSource.Blip);
                draft.put(
                        captions + "model.uri",
                        bundled() ? "bundled://emoji-blip" : "hf://Salesforce/blip-image-captioning-large");
                draft.put(captions + "temperature", 0.65);
                draft.put(captions + "topK", 40);
                draft.put(captions + "maxTokens", 100);
            }
            case "gpt4-v" -> {
                draft.put(key, captions + "source", CaptionSource.OpenAI);
                draft.put(captions + "api.model", "gpt-4o");
            }
            case "no_caption" -> draft.put(key, captions + "source", CaptionSource.None);
            default -> {
                draft.put(key, captions + "source", CaptionSource.Florence2);
                draft.put(captions + "model.uri", "hf://onnx-community/Florence-2-large-ft");
                draft.put(captions + "detail", CaptionDetail.MoreDetailed);
                draft.put(captions + "maxTokens", 200);
                draft.put(captions + "beams", 3);
            }
        }
        String suffix = EdenSampling.modifier(options)[1];
        if (!suffix.isEmpty()) {
            draft.put("prompt_modifier", captions + "suffix", suffix);
        }
        if (!prefix().isEmpty()) {
            draft.put(
                    options.has("caption_prefix") ? "caption_prefix" : "prompt_modifier",
                    captions + "prefix",
                    prefix());
        }
        boolean cleanUp = !options.flag("skip_gpt_cleanup", false) && hasTrigger() && prefix().isEmpty();
        if (cleanUp) {
            draft.put(captions + "cleanUp", CleanUp.Rules);
        }
    }

    /** Faces are found by the word, unless the detector is asked for; objects by what the user names; a style is everywhere. */
    private void mask() {
        String mask = "preparation.mask.";
        String prompt = options.text("mask_target_prompts");
        MaskSource source = MaskSource.None;
        if (options.flag("use_face_detection_instead", false)) {
            source = MaskSource.Face;
        } else if (mode == ConceptMode.Face) {
            prompt = "face";
            source = MaskSource.Segment;
        } else if (prompt != null && mode == ConceptMode.Object) {
            source = MaskSource.Segment;
        }
        draft.put("mask_target_prompts", mask + "source", source);
        if (source == MaskSource.Segment && prompt != null) {
            if (!bundled()) {
                draft.put(mask + "model.uri", CLIPSEG);
            }
            draft.put("mask_target_prompts", mask + "prompts", List.of(prompt));
            draft.put("clipseg_temperature", mask + "temperature", options.number("clipseg_temperature", 0.5));
        }
        boolean salience = options.flag("crop_based_on_salience", true) && source != MaskSource.None;
        draft.put("preparation.crop", salience ? CropMode.Salience : CropMode.Center);
    }

    private int accumulation() {
        int accumulation = options.whole("gradient_accumulation_steps", 1);
        if (accumulation < 1) {
            throw options.wrong("gradient_accumulation_steps", "be at least 1");
        }
        return accumulation;
    }

    /** Steps of so many batches; the last one may have fewer. */
    private int batchesInSteps(int batches) {
        return (batches + accumulation() - 1) / accumulation();
    }

    private int steps() {
        int batches = options.whole("max_train_steps", 300);
        if (batches < 1) {
            throw options.wrong("max_train_steps", "be at least 1");
        }
        return batchesInSteps(batches);
    }

    private void training() {
        draft.put("max_train_steps", "training.steps", steps());
        draft.put("train_batch_size", "training.batchSize", options.whole("train_batch_size", 4));
        draft.put("gradient_accumulation_steps", "training.gradientAccumulation", accumulation());
        draft.put("training.seed", seed());
        String weights = options.choice("weight_type", "bf16", List.of("fp16", "bf16", "fp32"));
        draft.put("training.precision", weights.equals("fp32") ? Precision.Float32 : Precision.BFloat16);
        if (weights.equals("fp16")) {
            findings.note("`weight_type` fp16 became BFloat16, which can't overflow");
        }
        draft.put("caption_dropout", "training.captions.dropout", options.number("caption_dropout", 0.1));
        if (hasTrigger()) {
            draft.put("training.captions.dropoutLeaves", DropoutRest.Trigger);
        }
        int every = options.whole("checkpointing_steps", 10000);
        draft.put(
                "checkpointing_steps", "training.checkpoints.everySteps", every < 1 ? steps() : batchesInSteps(every));
    }

    private long seed() {
        return EdenSampling.seed(options);
    }

    /** Beside it there is neither a token nor an adapter here. */
    private void wholeModel() {
        if (tokens && hasTrigger()) {
            throw options.wrong(
                    "disable_ti", "be true where `is_lora` is false, for full fine-tuning trains no tokens beside it");
        }
        if (options.text("text_encoder_lora_optimizer") != null) {
            throw options.wrong(
                    "text_encoder_lora_optimizer",
                    "be unset where `is_lora` is false, for full fine-tuning trains no adapter beside it; training.adapter.textEncoder trains the own weights of text encoders");
        }
        draft.put("is_lora", "training.method", TrainingMethod.FullFineTuning);
        List.of("lora_rank", "lora_alpha_multiplier", "use_dora", "l1_penalty").forEach(options::ignore);
    }

    /** Whether tokens are trained and nothing else is: a denoiser at a rate of 0. */
    private boolean tokensAlone() {
        return tokens && hasTrigger() && options.number("unet_lr", 1) == 0;
    }

    private void adapter() {
        if (tokensAlone() && options.text("text_encoder_lora_optimizer") == null) {
            List.of("lora_rank", "lora_alpha_multiplier", "use_dora", "l1_penalty")
                    .forEach(options::ignore);
            return;
        }
        String adapter = "training.adapter.";
        int rank = options.whole("lora_rank", 16);
        double multiplier = options.number("lora_alpha_multiplier", 1);
        if (options.flag("use_dora", false)) {
            draft.put("use_dora", adapter + "type", "DoRA");
        }
        draft.put("lora_rank", adapter + "rank", rank);
        draft.put("lora_alpha_multiplier", adapter + "alpha", rank * multiplier);
        draft.put(adapter + "targets", List.of("Attention", "*.conv2"));
        String optimizer = options.text("text_encoder_lora_optimizer");
        if (optimizer == null) {
            return;
        }
        options.choice("text_encoder_lora_optimizer", "", List.of("adamw"));
        draft.put("text_encoder_lora_optimizer", adapter + "textEncoder", true);
        int textRank = options.whole("text_encoder_lora_rank", 16);
        if (textRank != rank) {
            draft.origin("text_encoder_lora_rank", "spec.training.adapter.overrides[0].rank");
            draft.add(adapter + "overrides")
                    .put("target", "text_encoder*")
                    .put("rank", textRank)
                    .set("alpha", Draft.node(textRank * multiplier));
        }
    }

    private void optimizer() {
        String optimizer = "training.optimizer.";
        Double rate = options.number("unet_lr");
        if (tokensAlone()) {
            draft.put("unet_lr", "training.method", TrainingMethod.TextualInversion);
            return;
        }
        if (rate != null && rate == 0) {
            throw options.refused("unet_lr");
        }
        OptimizerType type =
                Optimizers.of(options.choice("unet_optimizer_type", "adamw", List.of("adamw", "prodigy", "adamw8bit")));
        boolean prodigy = type == OptimizerType.Prodigy;
        draft.put(optimizer + "type", Objects.requireNonNull(type));
        if (prodigy) {
            draft.put(optimizer + "learningRate", 1);
            draft.put(optimizer + "beta2", 0.99);
            draft.put("prodigy_d_coef", optimizer + "dCoefficient", options.number("prodigy_d_coef", 1));
            double growth = options.number("unet_prodigy_growth_factor", 1.05);
            if (growth > 1) {
                draft.put("unet_prodigy_growth_factor", optimizer + "growthRate", growth);
            }
        } else {
            draft.put("unet_lr", optimizer + "learningRate", rate == null ? 3e-4 : rate);
        }
        if (options.text("text_encoder_lora_optimizer") != null && !prodigy) {
            draft.put(
                    "text_encoder_lora_lr",
                    optimizer + "textEncoderLearningRate",
                    options.number("text_encoder_lora_lr", 1e-5));
        }
        boolean dora = options.flag("use_dora", false);
        draft.put(
                "lora_weight_decay", optimizer + "weightDecay", dora ? 0 : options.number("lora_weight_decay", 0.004));
        double start = options.number("freeze_unet_before_completion_f", 0);
        if (start > 0) {
            draft.put("freeze_unet_before_completion_f", optimizer + "startFraction", start);
        }
        if (!whole) {
            draft.put(optimizer + "maxGradientNorm", NO_CLIPPING);
        }
        draft.put(optimizer + "schedule.type", ScheduleType.Constant);
        Integer given = options.whole("unet_lr_warmup_steps");
        int warmUp = given == null ? steps() : batchesInSteps(given);
        if (!prodigy && warmUp > 0) {
            draft.put("unet_lr_warmup_steps", optimizer + "schedule.warmupSteps", Math.min(warmUp, steps()));
            double before = whole ? RATE_BEFORE_OF_WEIGHTS : tokens ? RATE_BEFORE : RATE_BEFORE_WITHOUT_TOKENS;
            draft.put(optimizer + "schedule.warmupFrom", before);
        }
    }

    private void loss() {
        draft.put("noise_offset", "training.loss.offsetNoise", options.number("noise_offset", 0.02));
        double gamma = options.number("snr_gamma", 5);
        draft.put("training.loss.weighting", gamma == 0 ? LossWeighting.Uniform : LossWeighting.MinSnr);
        if (gamma != 0) {
            draft.put("snr_gamma", "training.loss.minSnrGamma", gamma);
        }
        double l1 = options.number("l1_penalty", 0.03);
        boolean adapter = draft.at("training.method").isMissingNode() && !options.flag("use_dora", false);
        if (adapter && l1 > 0) {
            draft.put("l1_penalty", "training.loss.adapterL1", l1);
        }
    }

    private void output() {
        String folder = options.text("output_dir");
        if (folder != null) {
            String uri = places.uri(findings, "output_dir", folder);
            draft.put("output_dir", "output.uri", uri.replaceFirst("/+$", "") + "/" + Draft.name(name(), 50));
        }
        if (options.flag("debug", false)) {
            draft.put("debug", "tracking.tensorBoard", true);
        }
    }
}
