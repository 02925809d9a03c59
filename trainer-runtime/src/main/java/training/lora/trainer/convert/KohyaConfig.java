package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;
import training.lora.api.ModelFamily;
import training.lora.api.Precision;
import training.lora.api.Prediction;
import training.lora.api.TrainingMethod;

/** kohya's sd-scripts: what a script does with a configuration and its arguments. */
final class KohyaConfig {
    /** Groups of a dataset configuration, whose options may stand at its root or on the command line as well. */
    static final List<String> GROUPS = List.of("datasets.subsets", "datasets", "general");

    /** In names such as sd_xl_base, animagine-xl-3.1 and juggernautXL. */
    private static final Pattern XL = Pattern.compile("(?i:sdxl)|(?<![A-Za-z])(?i:xl)(?![A-Za-z])|(?<=[a-z])XL");

    /** Options that count where a whole model is trained. */
    private static final List<String> OF_MODELS = List.of("save_model_as", "full_fp16", "full_bf16");

    private static final String CLIP = "hf://openai/clip-vit-base-patch32";

    private final Options options;
    private final Findings findings;
    private final Places places;
    private final PictureFolders folders;
    private final KohyaScripts scripts;
    private final String name;
    private final Draft draft;

    private KohyaConfig(Options options, KohyaScripts scripts, Places places) {
        this.options = options;
        this.findings = options.findings();
        this.places = places;
        folders = new PictureFolders(places, findings);
        this.scripts = scripts;
        boolean tokens = scripts.method() == TrainingMethod.TextualInversion;
        name = options.text("output_name", tokens ? options.text("token_string", "last") : "last");
        draft = new Draft(name);
    }

    /**
     * What a TOML file, with the sections that people like to give it, asks for.
     *
     * @param dataset a file for --dataset_config; null for none but that which the other may name
     * @param script the script; null where its options tell
     */
    static Converted file(Path file, @Nullable Path dataset, @Nullable KohyaScript script, Places places) {
        ObjectNode read = ConfigText.options(file);
        KohyaFrontEnds.refuse(file, read);
        ObjectNode options = flat(read);
        if (dataset != null) {
            options.put("dataset_config", dataset.toString());
        }
        return convert(file.toString(), options, script, List.of(), places);
    }

    /** What a script with a command line in it asks for. */
    static Converted script(Path file, Places places) {
        return arguments(file.toString(), KohyaArguments.ofScript(file, ConfigText.text(file), places));
    }

    /** What a command line asks for. */
    static Converted words(List<String> words, Places places) {
        String name = "the command line";
        return arguments(name, KohyaArguments.of(name, words, places));
    }

    /** Options of the command line count before those of the file that it names. */
    private static Converted arguments(String name, KohyaArguments arguments) {
        ObjectNode options = Json.MAPPER.createObjectNode();
        JsonNode config = arguments.options().path("config_file");
        if (config.isTextual()) {
            String file = config.asText();
            Findings findings = new Findings(name, OptionTable.read("kohya"));
            options.setAll(flat(ConfigText.options(
                    arguments.places().path(findings, "config_file", file.endsWith(".toml") ? file : file + ".toml"))));
        }
        options.setAll(arguments.options());
        options.remove("config_file");
        return convert(name, options, arguments.script(), arguments.notes(), arguments.places());
    }

    /** Sections of a file for --config_file mean nothing; tables of a file for --dataset_config do. */
    private static ObjectNode flat(ObjectNode file) {
        ObjectNode flat = Json.MAPPER.createObjectNode();
        file.fields().forEachRemaining(field -> {
            boolean table = field.getValue() instanceof ObjectNode && !GROUPS.contains(field.getKey());
            if (table && !field.getKey().endsWith("_args")) {
                flat.setAll((ObjectNode) field.getValue());
            } else {
                flat.set(field.getKey(), field.getValue());
            }
        });
        return flat;
    }

    private static Converted convert(
            String name, ObjectNode options, @Nullable KohyaScript script, List<String> notes, Places places) {
        OptionTable table = OptionTable.read("kohya");
        Findings findings = new Findings(name, table);
        notes.forEach(findings::note);
        String dataset = new Options(findings, options, "").text("dataset_config");
        if (dataset != null) {
            ObjectNode data = ConfigText.options(places.path(findings, "dataset_config", dataset));
            for (String group : List.of("general", "datasets")) {
                if (data.has(group)) {
                    options.set(group, data.get(group));
                }
            }
        }
        KohyaScripts scripts = script == null
                ? KohyaScripts.of(new Options(findings, options, ""), table)
                : new KohyaScripts(Set.of(script));
        scripts.dropOthers(options, table, findings);
        ObjectNode file = options.deepCopy();
        file.remove(List.of("network_args", "optimizer_args"));
        Options root = new Options(findings, file, "");
        arguments(new Options(findings, options, ""), file, "network_args");
        arguments(new Options(findings, options, ""), file, "optimizer_args");
        findings.look(file, "");
        return new KohyaConfig(root, scripts, places).converted();
    }

    private Converted converted() {
        baseModel();
        TrainingMethod method = scripts.method();
        KohyaTokens tokens =
                method == TrainingMethod.TextualInversion ? new KohyaTokens(options, folders, draft) : null;
        KohyaData data = new KohyaData(options, scripts, tokens, places, folders, draft);
        data.put();
        Placeholders placeholders = data.placeholders();
        training();
        KohyaOptimizer optimizer = new KohyaOptimizer(options, draft, this::steps);
        if (method == TrainingMethod.FullFineTuning) {
            new KohyaModel(options, scripts, draft).put(optimizer, steps());
        } else {
            OF_MODELS.forEach(options::ignore);
            if (options.flag("gradient_checkpointing", false)) {
                draft.put("gradient_checkpointing", "training.gradientCheckpointing", true);
            }
            if (tokens == null) {
                KohyaAdapter adapter = new KohyaAdapter(options, scripts.xl(), optimizer.commonRate(), places, draft);
                adapter.put();
                optimizer.put(adapter.rates());
            } else {
                tokens.put(optimizer);
            }
        }
        optimizer.loss();
        sampling(placeholders);
        output();
        return draft.done(Tool.Kohya, findings);
    }

    /** {@code network_args} and {@code optimizer_args}, which are NAME=VALUE, as a group. */
    private static void arguments(Options from, ObjectNode to, String key) {
        if (from.raw(key) instanceof ObjectNode table) {
            to.set(key, table);
            return;
        }
        List<String> texts = from.texts(key);
        if (texts.isEmpty()) {
            return;
        }
        ObjectNode group = to.putObject(key);
        for (String text : texts) {
            int equals = text.indexOf('=');
            if (equals < 1) {
                throw from.wrong(key, "be of the form NAME=VALUE");
            }
            group.put(
                    text.substring(0, equals).strip(),
                    text.substring(equals + 1).strip());
        }
    }

    private void baseModel() {
        String model = options.text("pretrained_model_name_or_path");
        if (model == null) {
            throw options.wrong("pretrained_model_name_or_path", "be given");
        }
        if (Boolean.TRUE.equals(scripts.xl())) {
            draft.put("baseModel.family", ModelFamily.SDXL);
        }
        draft.put(
                "pretrained_model_name_or_path",
                "baseModel.uri",
                places.model(findings, "pretrained_model_name_or_path", model));
        String vae = options.text("vae");
        if (vae != null) {
            draft.put("vae", "baseModel.vae.uri", places.model(findings, "vae", vae));
        }
        if (options.flag("v_parameterization", false)) {
            draft.put("v_parameterization", "baseModel.prediction", Prediction.V);
        }
        if (options.flag("zero_terminal_snr", false)) {
            draft.put("zero_terminal_snr", "baseModel.zeroTerminalSnr", true);
        }
    }

    private void training() {
        draft.put(
                "gradient_accumulation_steps",
                "training.gradientAccumulation",
                options.whole("gradient_accumulation_steps", 1));
        Integer epochs = options.whole("max_train_epochs");
        if (epochs != null) {
            folders.putEpochs("max_train_epochs", epochs, draft);
        } else {
            draft.put("max_train_steps", "training.steps", options.whole("max_train_steps", 1600));
        }
        Long seed = options.seed("seed");
        draft.put("seed", "training.seed", seed == null ? 0L : seed);
        String precision = options.choice("mixed_precision", "no", List.of("no", "fp16", "bf16"));
        draft.put(
                "mixed_precision",
                "training.precision",
                precision.equals("no") ? Precision.Float32 : Precision.BFloat16);
        if (precision.equals("fp16")) {
            findings.note(
                    options.flag("full_fp16", false) && scripts.method() == TrainingMethod.FullFineTuning
                            ? "`mixed_precision` fp16 became BFloat16, which can't overflow"
                            : "`mixed_precision` fp16 became BFloat16: what is trained is fp32, and bf16 can't overflow");
        }
        int skip = options.whole("clip_skip", 1);
        if (skip < 1) {
            throw options.wrong("clip_skip", "be at least 1");
        }
        draft.put("clip_skip", "training.captions.clipSkip", takesClipSkip(skip) ? skip - 1 : 0);
        checkpoints();
    }

    /** With SDXL it has no effect there. Where no script tells it is by the base model's name. */
    private boolean takesClipSkip(int skip) {
        Boolean xl = scripts.xl();
        if (xl != null) {
            return !xl;
        }
        boolean named =
                XL.matcher(options.text("pretrained_model_name_or_path", "")).find();
        if (skip > 1) {
            findings.note(
                    named
                            ? "`clip_skip` is left out: by its name the base model is SDXL, on which it has no effect there"
                            : "`clip_skip` is for Stable Diffusion 1.x; on SDXL it has no effect there: take it out if the base model is one");
        }
        return !named;
    }

    /** Steps of the training; null where a folder's pictures can't be counted. */
    private @Nullable Integer steps() {
        Integer epochs = options.whole("max_train_epochs");
        if (epochs == null) {
            return options.whole("max_train_steps", 1600);
        }
        Integer epoch = folders.epoch(draft);
        return epoch == null ? null : Integer.valueOf(epochs * epoch);
    }

    private void checkpoints() {
        Integer every = options.whole("save_every_n_steps");
        Integer everyEpochs = options.whole("save_every_n_epochs");
        Integer ratio = options.whole("save_n_epoch_ratio");
        String key = every != null
                ? "save_every_n_steps"
                : everyEpochs != null ? "save_every_n_epochs" : "save_n_epoch_ratio";
        if (every == null && everyEpochs != null) {
            Integer epoch = folders.epoch(draft);
            every = epoch == null ? null : Integer.valueOf(everyEpochs * epoch);
        } else if (every == null && ratio != null && ratio > 0) {
            Integer steps = steps();
            every = steps == null ? null : Integer.valueOf(Math.max(1, steps / ratio));
        }
        if (every == null && (everyEpochs != null || ratio != null)) {
            findings.note(
                    "`%s` needs folders of pictures that are here to be counted: there are four checkpoints instead"
                            .formatted(key));
            return;
        }
        // Without any it saves the last one alone.
        int steps = every == null ? 10_000_000 : every;
        draft.put(every == null ? "" : key, "training.checkpoints.everySteps", steps);
        Integer last = options.whole("save_last_n_steps");
        Integer lastEpochs = options.whole("save_last_n_epochs");
        if (last != null && every != null) {
            draft.put("save_last_n_steps", "training.checkpoints.keep", Math.max(1, last / every));
        } else if (lastEpochs != null && everyEpochs != null) {
            draft.put("save_last_n_epochs", "training.checkpoints.keep", Math.max(1, lastEpochs / everyEpochs));
        } else if (every != null) {
            // It keeps all.
            draft.put("training.checkpoints.keep", KohyaData.ALL_CHECKPOINTS);
        }
    }

    private void sampling(Placeholders placeholders) {
        String file = options.text("sample_prompts");
        if (file == null) {
            draft.put("sampling.enabled", false);
        } else {
            List<ObjectNode> prompts = KohyaPrompts.read(places.path(findings, "sample_prompts", file));
            ArrayNode texts = Json.MAPPER.createArrayNode();
            for (ObjectNode prompt : prompts) {
                for (String field : List.of("text", "negative", "seed")) {
                    draft.origin("sample_prompts", "spec.sampling.prompts[%d].%s".formatted(texts.size(), field));
                }
                ObjectNode text =
                        texts.addObject().put("text", prompt.path("prompt").asText());
                if (!prompt.path("negative_prompt").asText().isEmpty()) {
                    text.put("negative", prompt.path("negative_prompt").asText());
                }
                BigDecimal seed = KohyaPrompts.number(prompt, "seed");
                text.put("seed", seed == null ? 0 : seed.longValue());
            }
            for (JsonNode prompt : texts) {
                placeholders.refuse(
                        options, "sample_prompts", prompt.path("text").asText());
                placeholders.refuse(
                        options, "sample_prompts", prompt.path("negative").asText());
            }
            draft.put("sample_prompts", "sampling.prompts", texts);
            steps(prompts);
        }
        if (!draft.at("baseModel.uri").asText().startsWith("bundled://")) {
            draft.put("evaluation.clip.uri", CLIP);
        }
    }

    /** All pictures have the steps and the guidance of the first, whose defaults are 30 and 7.5. */
    private void steps(List<ObjectNode> prompts) {
        BigDecimal steps = prompts.isEmpty() ? null : KohyaPrompts.number(prompts.get(0), "sample_steps");
        BigDecimal scale = prompts.isEmpty() ? null : KohyaPrompts.number(prompts.get(0), "scale");
        draft.put("sample_prompts", "sampling.steps", steps == null ? 30 : steps.intValue());
        draft.put("sample_prompts", "sampling.guidance", scale == null ? 7.5 : scale.doubleValue());
        KohyaPrompts.noteOthers(prompts, findings);
        BigDecimal width = prompts.isEmpty() ? null : KohyaPrompts.number(prompts.get(0), "width");
        BigDecimal height = prompts.isEmpty() ? null : KohyaPrompts.number(prompts.get(0), "height");
        if (width != null && height != null) {
            draft.put("sample_prompts", "sampling.size", Draft.side(width.doubleValue(), height.doubleValue()));
            if (width.compareTo(height) != 0) {
                findings.note("pictures are squares of the area that the first prompt asks for");
            }
        }
    }

    private void output() {
        String folder = options.text("output_dir");
        if (folder != null) {
            String uri = places.uri(findings, "output_dir", folder);
            draft.put("output_dir", "output.uri", uri.replaceFirst("/+$", "") + "/" + Draft.name(name, 50));
        }
        String log = options.choice("log_with", "tensorboard", List.of("tensorboard", "wandb", "all"));
        if (!log.equals("wandb") && (options.has("log_with") || options.has("logging_dir"))) {
            draft.put("tracking.tensorBoard", true);
        }
        if (log.equals("wandb") || log.equals("all")) {
            draft.put(
                    "log_tracker_name", "tracking.wandb.project", options.text("log_tracker_name", scripts.project()));
            String run = options.text("wandb_run_name");
            if (run != null) {
                draft.put("wandb_run_name", "tracking.wandb.runName", run);
            }
        }
    }
}
