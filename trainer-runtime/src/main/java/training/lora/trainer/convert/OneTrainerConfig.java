package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import training.lora.api.Bf16Weights;
import training.lora.api.Json;
import training.lora.api.LossWeighting;
import training.lora.api.MaskSource;
import training.lora.api.ModelFamily;
import training.lora.api.Precision;
import training.lora.api.Prediction;
import training.lora.api.Sizing;
import training.lora.api.TimestepDistribution;
import training.lora.api.TrainingMethod;

/** OneTrainer's JSON: a whole configuration, or a preset of some options; concepts and samples in it or in files of their own. */
final class OneTrainerConfig {
    private static final int TIMESTEPS = 1000;
    private static final String CLIP = "hf://openai/clip-vit-base-patch32";

    private final Options options;
    private final Findings findings;
    private final Places places;
    private final PictureFolders folders;
    private final Draft draft;
    private final boolean xl;
    private final String method;

    /** Whether the model's own weights are trained, not an adapter. */
    private final boolean whole;

    private OneTrainerConfig(Options options, Places places) {
        this.options = options;
        this.findings = options.findings();
        this.places = places;
        folders = new PictureFolders(places, findings);
        draft = new Draft(name());
        String type = options.text("model_type", "STABLE_DIFFUSION_15");
        xl = type.equals("STABLE_DIFFUSION_XL_10_BASE");
        if (!xl && !type.equals("STABLE_DIFFUSION_15")) {
            throw options.refused("model_type");
        }
        method = options.text("training_method", "FINE_TUNE");
        whole = method.equals("FINE_TUNE");
        if (!List.of("LORA", "FINE_TUNE", "EMBEDDING").contains(method)) {
            throw options.refused("training_method");
        }
    }

    static Converted convert(ObjectNode file, String name, Places places) {
        ObjectNode node = file.deepCopy();
        Findings findings = new Findings(name, OptionTable.read("onetrainer"));
        Options options = new Options(findings, node, "");
        read(options, places, "concepts", "concept_file_name");
        read(options, places, "samples", "sample_definition_file_name");
        OneTrainerVersions.bringForward(options);
        withoutVersions(node);
        findings.look(node, "");
        OneTrainerConfig config = new OneTrainerConfig(options, places);
        config.baseModel();
        OneTrainerTokens tokens = new OneTrainerTokens(options, config.method, config.folders, config.draft, config.xl);
        new OneTrainerConcepts(options, places, config.folders, config.draft, tokens).put();
        config.dropTexts();
        config.preparation();
        config.training();
        Integer epoch = config.folders.epoch(config.draft);
        OneTrainerOptimizer optimizer =
                new OneTrainerOptimizer(options, config.draft, epoch, !tokens.alone() && config.trainsTextEncoder());
        if (tokens.alone()) {
            optimizer.putCommon();
        } else {
            if (config.whole) {
                config.wholeModel();
            } else {
                config.adapter();
            }
            optimizer.put();
        }
        tokens.put(optimizer, epoch);
        config.loss();
        config.sampling(Placeholders.of(config.draft, tokens.placeholders()));
        config.output();
        return config.draft.done(Tool.OneTrainer, findings);
    }

    /** A list that may stand in a file of its own. */
    private static void read(Options options, Places places, String key, String fileKey) {
        String file = options.text(fileKey);
        if (!options.has(key) && file != null) {
            Path path = places.path(options.findings(), fileKey, file);
            options.node().set(key, ConfigText.read(path));
        }
    }

    /** OneTrainer writes into each group which version of it wrote it. */
    private static void withoutVersions(JsonNode node) {
        if (node instanceof ObjectNode group) {
            group.remove("__version");
        }
        node.forEach(OneTrainerConfig::withoutVersions);
    }

    private String destination() {
        return options.text("output_model_destination", "models/lora.safetensors")
                .replace('\\', '/');
    }

    private String name() {
        return destination().replaceFirst("^.*/", "").replaceFirst("\\.[A-Za-z]+$", "");
    }

    private void baseModel() {
        draft.put("model_type", "baseModel.family", xl ? ModelFamily.SDXL : ModelFamily.SD15);
        String model = options.text(
                "base_model_name",
                xl ? "stabilityai/stable-diffusion-xl-base-1.0" : "stable-diffusion-v1-5/stable-diffusion-v1-5");
        draft.put("base_model_name", "baseModel.uri", places.model(findings, "base_model_name", model));
        String vae = options.child("vae").text("model_name");
        if (vae != null) {
            draft.put("vae.model_name", "baseModel.vae.uri", places.model(findings, "vae.model_name", vae));
        }
        if (options.flag("force_v_prediction", false)) {
            draft.put("force_v_prediction", "baseModel.prediction", Prediction.V);
        } else if (options.flag("force_epsilon_prediction", false)) {
            draft.put("force_epsilon_prediction", "baseModel.prediction", Prediction.Epsilon);
        }
        if (options.flag("rescale_noise_scheduler_to_zero_terminal_snr", false)) {
            draft.put("rescale_noise_scheduler_to_zero_terminal_snr", "baseModel.zeroTerminalSnr", true);
        }
    }

    /** There the embedding of a text becomes zeros by chance, of XL each of the two by itself; here a caption becomes the empty one. */
    private void dropTexts() {
        Options second = options.child("text_encoder_2");
        double chance = options.child("text_encoder").number("dropout_probability", 0);
        if (!xl) {
            second.ignore("dropout_probability");
        } else if (second.number("dropout_probability", 0) != chance) {
            throw second.refused("dropout_probability");
        }
        if (chance == 0) {
            return;
        }
        String path = "training.captions.dropout";
        BigDecimal dropped = draft.at(path).decimalValue();
        BigDecimal rest = BigDecimal.ONE.subtract(dropped);
        draft.put(
                "text_encoder.dropout_probability",
                path,
                dropped.add(rest.multiply(BigDecimal.valueOf(chance))).doubleValue());
        findings.differs(
                "a caption that `text_encoder.dropout_probability` leaves out is the empty one%s, where there its embedding is zeros"
                        .formatted(xl ? " for both text encoders" : ""));
    }

    private void preparation() {
        List<Integer> sides = new ArrayList<>();
        for (String part : options.text("resolution", "512").split(",")) {
            if (!part.strip().matches("[1-9]\\d{0,4}")) {
                throw options.refused("resolution");
            }
            sides.add(Math.max(1, Math.round(Integer.parseInt(part.strip()) / 64f)) * 64);
        }
        if (sides.size() == 1) {
            draft.put("resolution", "preparation.resolution", sides.get(0));
        } else {
            draft.put(
                    "resolution",
                    "preparation.resolutions",
                    sides.stream().distinct().toList());
        }
        boolean buckets = options.flag("aspect_ratio_bucketing", true);
        draft.put("preparation.sizing", buckets ? Sizing.Buckets : Sizing.CenterCrop);
        if (options.flag("masked_training", false)) {
            draft.put("masked_training", "preparation.mask.source", MaskSource.Files);
            draft.put("unmasked_weight", "preparation.mask.bias", options.number("unmasked_weight", 0.1));
            double kept = options.number("masked_prior_preservation_weight", 0);
            if (kept > 0) {
                draft.put("masked_prior_preservation_weight", "training.loss.preservation.outsideMask", kept);
            }
        }
    }

    private void training() {
        draft.put("batch_size", "training.batchSize", options.whole("batch_size", 1));
        int accumulation = options.whole("gradient_accumulation_steps", 1);
        if (accumulation < 1) {
            throw options.wrong("gradient_accumulation_steps", "be at least 1");
        }
        draft.put("gradient_accumulation_steps", "training.gradientAccumulation", accumulation);
        folders.putEpochs("epochs", OneTrainerOptimizer.epochs(options), draft);
        String type = options.text("train_dtype", "FLOAT_16");
        boolean full = type.equals("FLOAT_32") || type.equals("TFLOAT_32");
        draft.put("training.precision", full ? Precision.Float32 : Precision.BFloat16);
        if (options.has("train_dtype") && type.equals("FLOAT_16")) {
            findings.note("`train_dtype` FLOAT_16 became BFloat16, which can't overflow");
        }
        draft.put("text_encoder_layer_skip", "training.captions.clipSkip", options.whole("text_encoder_layer_skip", 0));
        checkpoints();
    }

    private void checkpoints() {
        int every = options.whole("save_every", 0);
        String unit = options.text("save_every_unit", "NEVER").toUpperCase(Locale.ROOT);
        Integer epoch = folders.epoch(draft);
        if (every > 0 && unit.equals("STEP")) {
            // There a step is a batch.
            int each = draft.at("training.gradientAccumulation").asInt();
            draft.put("save_every", "training.checkpoints.everySteps", (every + each - 1) / each);
        } else if (every > 0 && unit.equals("EPOCH") && epoch != null) {
            draft.put("save_every", "training.checkpoints.everySteps", every * epoch);
        } else if (every > 0 && !unit.equals("NEVER")) {
            findings.note("`save_every` %d %s can't be counted in steps: there are four checkpoints instead"
                    .formatted(every, unit));
        }
    }

    private boolean trainsTextEncoder() {
        boolean first = options.child("text_encoder").flag("train", true);
        if (xl && first != options.child("text_encoder_2").flag("train", true)) {
            throw options.child("text_encoder_2").refused("train");
        }
        return first;
    }

    private void wholeModel() {
        draft.put("training_method", "training.method", TrainingMethod.FullFineTuning);
        for (String key : List.of("layer_filter", "layer_filter_preset")) {
            if (!options.text(key, "full").equals("full")) {
                throw options.wrong(key, "be unset or full with FINE_TUNE, which trains all layers here");
            }
        }
        draft.put("text_encoder.train", "training.adapter.textEncoder", trainsTextEncoder());
        if (draft.at("training.precision").asText().equals(Precision.BFloat16.name())) {
            draft.put(
                    ofAllParts() ? "weight_dtype" : "unet.weight_dtype",
                    "training.fullFineTuning.bf16Weights",
                    keepsSingle() ? Bf16Weights.Fp32Master : Bf16Weights.StochasticRounding);
        } else {
            ignoreWeightType();
        }
        OneTrainerAdapter.ignore(options);
    }

    /** Whether the type of the denoiser's weights is told with that of all parts, as older files have it. */
    private boolean ofAllParts() {
        return options.child("unet").text("weight_dtype", "").equals("NONE");
    }

    /** Whether weights are fp32 there, whatever a step is computed in. */
    private boolean keepsSingle() {
        Options of = ofAllParts() ? options : options.child("unet");
        return of.text("weight_dtype", "FLOAT_32").equals("FLOAT_32");
    }

    private void ignoreWeightType() {
        if (!keepsSingle()) {
            (ofAllParts() ? options : options.child("unet")).ignore("weight_dtype");
        }
    }

    private void adapter() {
        ignoreWeightType();
        new OneTrainerAdapter(options, places, draft, trainsTextEncoder()).put();
    }

    private void loss() {
        String loss = "training.loss.";
        LossWeighting weighting =
                switch (options.text("loss_weight_fn", "CONSTANT")) {
                    case "CONSTANT" -> LossWeighting.Uniform;
                    case "MIN_SNR_GAMMA" -> LossWeighting.MinSnr;
                    case "DEBIASED_ESTIMATION" -> LossWeighting.Debiased;
                    default -> throw options.refused("loss_weight_fn");
                };
        draft.put("loss_weight_fn", loss + "weighting", weighting);
        if (weighting == LossWeighting.MinSnr) {
            draft.put("loss_weight_strength", loss + "minSnrGamma", options.number("loss_weight_strength", 5));
        }
        draft.put("offset_noise_weight", loss + "offsetNoise", options.number("offset_noise_weight", 0));
        draft.put(
                "perturbation_noise_weight",
                loss + "inputPerturbation",
                options.number("perturbation_noise_weight", 0));
        switch (options.text("timestep_distribution", "UNIFORM")) {
            case "UNIFORM" -> {}
            case "LOGIT_NORMAL" -> {
                draft.put("timestep_distribution", loss + "timesteps", TimestepDistribution.LogitNormal);
                draft.put("noising_bias", loss + "timestepMean", options.number("noising_bias", 0));
                draft.put("noising_weight", loss + "timestepDeviation", 1 + options.number("noising_weight", 0));
            }
            default -> throw options.refused("timestep_distribution");
        }
        int least = (int) (options.number("min_noising_strength", 0) * TIMESTEPS);
        int end = (int) (options.number("max_noising_strength", 1) * TIMESTEPS);
        if (least > 0) {
            draft.put("min_noising_strength", loss + "minimumTimestep", least);
        }
        if (end < TIMESTEPS) {
            draft.put("max_noising_strength", loss + "maximumTimestep", end - 1);
        }
    }

    private void sampling(Placeholders placeholders) {
        List<Options> samples = options.children("samples").stream()
                .filter(sample -> sample.flag("enabled", true) && sample.text("prompt") != null)
                .toList();
        if (samples.isEmpty()) {
            draft.put("sampling.enabled", false);
        } else {
            ArrayNode prompts = Json.MAPPER.createArrayNode();
            for (Options sample : samples) {
                Long seed = sample.seed("seed");
                placeholders.refuse(sample, "prompt", sample.text("prompt", ""));
                placeholders.refuse(sample, "negative_prompt", sample.text("negative_prompt", ""));
                prompts.addObject()
                        .put("text", sample.text("prompt", ""))
                        .put("negative", sample.text("negative_prompt", ""))
                        .put("seed", seed == null ? 42 : seed);
            }
            draft.put("samples.prompt", "sampling.prompts", prompts);
            draft.put(
                    "samples.diffusion_steps", "sampling.steps", samples.get(0).whole("diffusion_steps", 20));
            Integer width = samples.get(0).whole("width");
            Integer height = samples.get(0).whole("height");
            if (width != null && height != null && width > 0 && height > 0) {
                draft.put("samples.width", "sampling.size", Draft.side(width, height));
            }
            draft.put("samples.cfg_scale", "sampling.guidance", samples.get(0).number("cfg_scale", 7));
        }
        if (!draft.at("baseModel.uri").asText().startsWith("bundled://")) {
            draft.put("evaluation.clip.uri", CLIP);
        }
    }

    private void output() {
        if (options.has("output_model_destination")) {
            String folder = destination().replaceFirst("[^/]*$", "");
            String uri = places.uri(findings, "output_model_destination", folder.isEmpty() ? "." : folder);
            draft.put(
                    "output_model_destination",
                    "output.uri",
                    uri.replaceFirst("/+$", "") + "/" + Draft.name(name(), 50));
        }
        draft.put("tracking.tensorBoard", options.flag("tensorboard", true));
    }
}
