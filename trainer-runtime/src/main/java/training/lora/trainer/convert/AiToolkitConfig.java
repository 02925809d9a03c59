package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import training.lora.api.AdapterFormat;
import training.lora.api.AdapterType;
import training.lora.api.Json;
import training.lora.api.LossWeighting;
import training.lora.api.ModelFamily;
import training.lora.api.Precision;
import training.lora.api.Prediction;
import training.lora.api.TrainingMethod;

/** ai-toolkit's YAML: the first process of its job. */
final class AiToolkitConfig {
    private static final String CLIP = "hf://openai/clip-vit-base-patch32";
    /** At which a LoKr's second matrix is whole. */
    private static final int MOST_RANK = 1024;

    private static final int LAST_TIMESTEP = 999;

    private final Options options;
    private final Options train;
    private final Options network;
    private final Findings findings;
    private final Places places;
    private final Draft draft;
    private final String name;

    private AiToolkitConfig(Options options, Places places, String name) {
        this.options = options;
        this.train = options.child("train");
        this.network = options.child("network");
        this.findings = options.findings();
        this.places = places;
        this.name = name;
        draft = new Draft(name);
    }

    static Converted convert(ObjectNode file, String fileName, Places places) {
        Findings findings = new Findings(fileName, OptionTable.read("ai-toolkit"));
        String name = file.at("/config/name").asText();
        JsonNode processes = named(file.at("/config/process"), name);
        if (!(processes.path(0) instanceof ObjectNode process)) {
            throw findings.invalid("`config.process` must be a list of one group of options");
        }
        if (processes.size() > 1) {
            findings.note("of %d processes the first is taken".formatted(processes.size()));
        }
        if (process.path("type").asText().matches("diffusion_trainer|ui_trainer")) {
            process.put("type", "sd_trainer");
        }
        findings.look(process, "");
        Options options = new Options(findings, process, "");
        if (!options.has("network") && !options.has("embedding")) {
            throw findings.invalid(
                    "`network` or `embedding` must be given: whole models are not trained from this file");
        }
        AiToolkitConfig config = new AiToolkitConfig(options, places, name.isBlank() ? "lora" : name);
        config.baseModel();
        AiToolkitTokens tokens = new AiToolkitTokens(options, config.draft);
        new AiToolkitData(options, places, config.draft, tokens).put();
        config.training();
        AiToolkitOptimizer optimizer = new AiToolkitOptimizer(config.train, config.draft);
        if (tokens.alone()) {
            optimizer.putCommon();
        } else {
            config.adapter();
            optimizer.put();
        }
        optimizer.put(tokens);
        config.loss();
        config.sampling();
        config.output();
        return config.draft.done(Tool.AiToolkit, findings);
    }

    /** There [name] in any text of the file is the name, before anything else is read. */
    private static JsonNode named(JsonNode node, String name) {
        if (node.isTextual()) {
            return JsonNodeFactory.instance.textNode(node.asText().replace("[name]", name));
        }
        if (node instanceof ArrayNode list) {
            for (int i = 0; i < list.size(); i++) {
                list.set(i, named(list.get(i), name));
            }
        } else if (node instanceof ObjectNode group) {
            group.fields().forEachRemaining(field -> field.setValue(named(field.getValue(), name)));
        }
        return node;
    }

    private void baseModel() {
        Options model = options.child("model");
        String path = model.text("name_or_path");
        if (path == null) {
            throw model.wrong("name_or_path", "be given");
        }
        String arch = model.text("arch", model.flag("is_xl", false) ? "sdxl" : "");
        switch (arch.toLowerCase(Locale.ROOT)) {
            case "" -> {}
            case "sd1", "sd15" -> draft.put("model.arch", "baseModel.family", ModelFamily.SD15);
            case "sdxl" -> draft.put("model.arch", "baseModel.family", ModelFamily.SDXL);
            default -> throw model.refused("arch");
        }
        draft.put("model.name_or_path", "baseModel.uri", places.model(findings, "model.name_or_path", path));
        if (model.flag("is_v_pred", false)) {
            draft.put("model.is_v_pred", "baseModel.prediction", Prediction.V);
        }
        String vae = model.text("vae_path");
        if (vae != null) {
            draft.put("model.vae_path", "baseModel.vae.uri", places.model(findings, "model.vae_path", vae));
        }
    }

    /** Batches of a step, which may be given in two ways, of which one counts them as steps. */
    private int accumulation() {
        int batches = train.whole("gradient_accumulation", 1);
        int steps = train.whole("gradient_accumulation_steps", 1);
        if (batches < 1) {
            throw train.wrong("gradient_accumulation", "be at least 1");
        }
        if (steps < 1) {
            throw train.wrong("gradient_accumulation_steps", "be at least 1");
        }
        return Math.max(batches, steps);
    }

    private void training() {
        draft.put("train.gradient_accumulation_steps", "training.gradientAccumulation", accumulation());
        draft.put("train.steps", "training.steps", AiToolkitOptimizer.inSteps(train, train.whole("steps", 1000)));
        draft.put("train.batch_size", "training.batchSize", train.whole("batch_size", 1));
        Long seed = options.seed("training_seed");
        draft.put("training_seed", "training.seed", seed == null ? 0L : seed);
        String type = train.text("dtype", "fp32").toLowerCase(Locale.ROOT);
        boolean full = List.of("fp32", "float32", "float").contains(type);
        if (!full && !List.of("bf16", "bfloat16", "fp16", "float16").contains(type)) {
            throw train.refused("dtype");
        }
        draft.put("training.precision", full ? Precision.Float32 : Precision.BFloat16);
        if (type.equals("fp16") || type.equals("float16")) {
            findings.note("`train.dtype` %s became BFloat16: what is trained is fp32, and bf16 can't overflow"
                    .formatted(type));
        }
        Options save = options.child("save");
        draft.put(
                "save.save_every",
                "training.checkpoints.everySteps",
                AiToolkitOptimizer.inSteps(train, save.whole("save_every", 1000)));
        draft.put("save.max_step_saves_to_keep", "training.checkpoints.keep", save.whole("max_step_saves_to_keep", 5));
    }

    private void adapter() {
        String adapter = "training.adapter.";
        AdapterType type =
                switch (network.text("type", "lora").toLowerCase(Locale.ROOT)) {
                    case "lora", "locon" -> AdapterType.LoRA;
                    case "dora" -> AdapterType.DoRA;
                    case "lokr" -> AdapterType.LoKr;
                    default -> throw network.refused("type");
                };
        draft.put("network.type", adapter + "type", type);
        String key = network.has("rank") ? "rank" : "linear";
        boolean whole = type == AdapterType.LoKr && network.flag("lokr_full_rank", true);
        draft.put("network." + key, adapter + "rank", whole ? MOST_RANK : network.whole(key, 4));
        double alpha = whole ? MOST_RANK : network.number("linear_alpha", network.number("alpha", 1));
        if (type == AdapterType.LoKr) {
            draft.put("network.lokr_factor", adapter + "factor", network.whole("lokr_factor", -1));
            draft.put("network.type", "output.formats", List.of(AdapterFormat.Kohya));
        }
        draft.put("network.linear_alpha", adapter + "alpha", alpha);
        Integer convolutions = network.whole("conv");
        if (convolutions == null && !whole) {
            draft.put(adapter + "targets", List.of("Attention", "FeedForward"));
        } else {
            List<String> all = List.of("Attention", "FeedForward", "Convolution");
            // Of a whole matrix ranks are passed over there.
            draft.put(adapter + "targets", whole ? all : ThreeByThree.targets(all, convolutions));
        }
        if (convolutions != null && convolutions != 0 && !whole) {
            ThreeByThree.override(
                    draft,
                    "network.conv",
                    convolutions,
                    network.has("conv_alpha") ? "network.conv_alpha" : "network.conv",
                    network.number("conv_alpha", convolutions));
        }
        double dropout = network.number("dropout", 0);
        if (dropout != 0) {
            draft.put("network.dropout", adapter + "dropout", dropout);
        }
        draft.put("train.train_text_encoder", adapter + "textEncoder", train.flag("train_text_encoder", false));
        String before = network.text("pretrained_lora_path");
        if (before != null) {
            draft.put(
                    "network.pretrained_lora_path",
                    "training.initFrom.uri",
                    places.input(findings, "network.pretrained_lora_path", before));
        }
    }

    private void loss() {
        String loss = "training.loss.";
        Double gamma = train.number("min_snr_gamma");
        boolean weighted = gamma != null && gamma > 0;
        draft.put(loss + "weighting", weighted ? LossWeighting.MinSnr : LossWeighting.Uniform);
        if (gamma != null && gamma > 0) {
            draft.put("train.min_snr_gamma", loss + "minSnrGamma", gamma);
        }
        draft.put("train.noise_offset", loss + "offsetNoise", train.number("noise_offset", 0));
        timesteps(loss);
        new AiToolkitPreservation(train, draft).put();
    }

    /**
     * There both are places in a list of timesteps that begins with the greatest, and what is drawn lies at least one place
     * above the first and two below the second; only where they are the same it is that place.
     */
    private void timesteps(String loss) {
        int first = Math.max(0, train.whole("min_denoising_steps", 0));
        int last = Math.min(LAST_TIMESTEP, train.whole("max_denoising_steps", LAST_TIMESTEP));
        boolean one = first == last;
        if (!one && last - first < 3) {
            throw train.wrong(
                    train.has("max_denoising_steps") ? "max_denoising_steps" : "min_denoising_steps",
                    "leave 3 places between the two, or none");
        }
        if (one || last < LAST_TIMESTEP) {
            int least = one ? LAST_TIMESTEP - last : LAST_TIMESTEP - (last - 2);
            draft.put("train.max_denoising_steps", loss + "minimumTimestep", least);
        }
        if (one || first > 0) {
            int greatest = one ? LAST_TIMESTEP - first : LAST_TIMESTEP - (first + 1);
            draft.put("train.min_denoising_steps", loss + "maximumTimestep", greatest);
        }
    }

    private void sampling() {
        Options sample = options.child("sample");
        ArrayNode prompts = Json.MAPPER.createArrayNode();
        prompts(sample, prompts);
        if (prompts.isEmpty() || train.flag("disable_sampling", false)) {
            draft.put("train.disable_sampling", "sampling.enabled", false);
        } else {
            draft.put("sample.prompts", "sampling.prompts", prompts);
            draft.put("sample.sample_steps", "sampling.steps", sample.whole("sample_steps", 20));
            Integer width = sample.whole("width");
            Integer height = sample.whole("height");
            if (width != null && height != null && width > 0 && height > 0) {
                draft.put("sample.width", "sampling.size", Draft.side(width, height));
            }
            strength(sample);
            draft.put("sample.guidance_scale", "sampling.guidance", sample.number("guidance_scale", 7));
        }
        if (!draft.at("baseModel.uri").asText().startsWith("bundled://")) {
            draft.put("evaluation.clip.uri", CLIP);
        }
    }

    private void strength(Options sample) {
        double strength = sample.number("network_multiplier", 1);
        if (strength == 1) {
            return;
        }
        boolean tokens = draft.at("training.method").asText().equals(TrainingMethod.TextualInversion.name());
        if (tokens || draft.at("training.adapter.type").asText().equals(AdapterType.DoRA.name())) {
            sample.ignore("network_multiplier");
        } else {
            draft.put("sample.network_multiplier", "sampling.strength", strength);
        }
    }

    /** Entries of samples, even where there are none, stand in the place of prompts. */
    private void prompts(Options sample, ArrayNode prompts) {
        AiToolkitSeeds seeds = new AiToolkitSeeds(sample);
        if (!sample.has("samples")) {
            sample.texts("prompts").forEach(text -> prompt(prompts, sample, text, null, seeds.next(null)));
            return;
        }
        if (!sample.texts("prompts").isEmpty()) {
            findings.ignores("sample.prompts", "sample.samples stands in its place");
        }
        for (Options own : sample.children("samples")) {
            String text = own.text("prompt");
            if (text != null) {
                prompt(prompts, sample, text, own, seeds.next(own.seed("seed")));
            }
        }
    }

    private void prompt(ArrayNode prompts, Options sample, String written, @Nullable Options own, long seed) {
        AiToolkitPrompt prompt = AiToolkitPrompt.of(written);
        prompt.noteOthers(findings);
        Long flagged = prompt.seed(sample);
        String negative = prompt.negative() != null || own == null ? prompt.negative() : own.text("neg");
        String common = sample.node().path("neg").isTextual() ? sample.text("neg", "") : "";
        boolean triggered = draft.at("datasets.0.concept.trigger").isTextual();
        Placeholders placeholders = Placeholders.of(draft, Set.of());
        placeholders.refuse(own == null ? sample : own, own == null ? "prompts" : "prompt", prompt.text());
        placeholders.refuse(
                negative == null || own == null ? sample : own, "neg", negative == null ? common : negative);
        prompts.addObject()
                .put(
                        "text",
                        prompt.text()
                                .replace("[trigger]", triggered ? "<concept>" : "")
                                .strip())
                .put("negative", negative == null ? common : negative)
                .put("seed", flagged == null ? seed : flagged);
    }

    private void output() {
        String folder = options.text("training_folder");
        if (folder != null) {
            String uri = places.uri(findings, "training_folder", folder);
            draft.put("training_folder", "output.uri", uri.replaceFirst("/+$", "") + "/" + Draft.name(name, 50));
        }
        if (options.has("log_dir")) {
            draft.put("log_dir", "tracking.tensorBoard", true);
        }
        Options logging = options.child("logging");
        if (logging.flag("use_wandb", false)) {
            draft.put("logging.project_name", "tracking.wandb.project", logging.text("project_name", "ai-toolkit"));
            String run = logging.text("run_name");
            if (run != null) {
                draft.put("logging.run_name", "tracking.wandb.runName", run);
            }
        }
    }
}
