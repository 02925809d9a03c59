package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.api.AdapterFormat;
import training.lora.api.Bf16Weights;
import training.lora.api.OptimizerType;
import training.lora.api.Precision;
import training.lora.api.TrainingMethod;

/** What kohya's fine_tune.py, train_db.py and sdxl_train.py train: a model's own weights. */
final class KohyaModel {
    /** Blocks of XL's denoiser that block_lr has a rate for each of. */
    private static final int BLOCKS = 23;

    /** Without a learning_rate the denoiser isn't trained there, whatever block_lr says. */
    private static final String ABOVE_ZERO = "be greater than 0, for the denoiser is always trained";

    /** What a whole model keeps as its files have it. */
    private static final List<String> OF_PARTS = List.of("vae", "v_parameterization", "zero_terminal_snr");

    /** Steps after which text encoders stay as they are. */
    private static final String STOP = "stop_text_encoder_training";

    private final Options options;
    private final Findings findings;
    private final KohyaScripts scripts;
    private final Draft draft;

    KohyaModel(Options options, KohyaScripts scripts, Draft draft) {
        this.options = options;
        this.findings = options.findings();
        this.scripts = scripts;
        this.draft = draft;
    }

    /**
     * Sets the fields.
     *
     * @param optimizer what moves it
     * @param steps of the training; null where the pictures can't be counted
     */
    void put(KohyaOptimizer optimizer, @Nullable Integer steps) {
        draft.put("training.method", TrainingMethod.FullFineTuning);
        for (String key : OF_PARTS) {
            JsonNode value = options.raw(key);
            if (value != null && !findings.isOff(key, value)) {
                throw options.refused(key);
            }
        }
        OptimizerType type = optimizer.type();
        if (!type.movesLayerByLayer()) {
            throw options.wrong(
                    "optimizer_type", "be AdamW, AdamW8bit, AdaFactor, CAME or Lion where a whole model is trained");
        }
        if (options.whole("gradient_accumulation_steps", 1) != 1) {
            throw options.wrong(
                    "gradient_accumulation_steps", "be 1 where a whole model is trained, which keeps no gradients");
        }
        KohyaOptimizer.Rates rates = rates(optimizer.commonRate());
        boolean off = rates.text() == null && trainsTextEncoder();
        draft.put(off ? rates.textKey() : textKey(), "training.adapter.textEncoder", rates.text() != null);
        weights(type);
        files();
        options.ignore("gradient_checkpointing");
        optimizer.put(rates);
        if (rates.text() != null) {
            stop(steps);
        } else if (off && options.has(STOP)) {
            findings.ignores(STOP, "text encoders are not trained");
        }
    }

    /** What says whether text encoders are trained. */
    private String textKey() {
        return scripts.are(KohyaScript.DreamBooth) ? STOP : "train_text_encoder";
    }

    private KohyaOptimizer.Rates rates(double common) {
        if (common == 0) {
            throw options.wrong("learning_rate", ABOVE_ZERO);
        }
        boolean blocks = options.text("block_lr") != null;
        String key = blocks ? "block_lr" : "learning_rate";
        double rate = blocks ? ofBlocks() : common;
        if (rate == 0) {
            throw options.wrong(key, ABOVE_ZERO);
        }
        boolean second = options.has("learning_rate_te1") || options.has("learning_rate_te2");
        String textKey = second ? "learning_rate_te1" : "learning_rate_te";
        if (!trainsTextEncoder()) {
            for (String unused : List.of("learning_rate_te", "learning_rate_te1", "learning_rate_te2")) {
                if (options.has(unused)) {
                    findings.ignores(unused, "text encoders are not trained");
                }
            }
            return new KohyaOptimizer.Rates(key, rate, textKey, null);
        }
        double text = options.number(textKey, common);
        if (second && text != options.number("learning_rate_te2", common)) {
            throw options.refused(options.has("learning_rate_te2") ? "learning_rate_te2" : "learning_rate_te1");
        }
        return new KohyaOptimizer.Rates(key, rate, textKey, text == 0 ? null : Double.valueOf(text));
    }

    private boolean trainsTextEncoder() {
        if (!scripts.are(KohyaScript.DreamBooth)) {
            return options.flag("train_text_encoder", false);
        }
        Integer stop = options.whole(STOP);
        return stop == null || stop > 0;
    }

    /** The one rate of all blocks. */
    private double ofBlocks() {
        List<String> rates = Arrays.stream(options.text("block_lr", "").split(","))
                .map(String::strip)
                .toList();
        try {
            List<Double> all = rates.stream().map(Double::valueOf).toList();
            if (all.size() == BLOCKS && all.stream().allMatch(Double::isFinite)) {
                if (all.stream().distinct().count() > 1) {
                    throw options.refused("block_lr");
                }
                return all.get(0);
            }
        } catch (NumberFormatException e) {
            // It is said below.
        }
        throw options.wrong("block_lr", "be %d numbers with commas between them".formatted(BLOCKS));
    }

    /** Steps after which text encoders stay as they are. */
    private void stop(@Nullable Integer steps) {
        Integer stop = options.whole(STOP);
        if (stop == null) {
            return;
        }
        if (steps == null) {
            findings.differs(
                    "`stop_text_encoder_training` %d is no share of steps that can't be counted: text encoders are trained to the end"
                            .formatted(stop));
        } else if (stop < steps) {
            draft.put(STOP, "training.optimizer.textEncoderStopFraction", (double) stop / steps);
        }
    }

    /** In bf16 there the weights are fp32, unless they are asked to be rounded too. */
    private void weights(OptimizerType type) {
        boolean half = options.flag("full_fp16", false);
        boolean bf16 = options.flag("full_bf16", false);
        // The scripts for Stable Diffusion 1.x pass it over.
        boolean read = bf16 && !Boolean.FALSE.equals(scripts.xl());
        boolean rounded = read && !half;
        if (bf16 && !read) {
            options.ignore("full_bf16");
        } else if (read && half) {
            findings.ignores("full_bf16", "full_fp16 counts before it");
        } else if (rounded && scripts.xl() == null) {
            findings.note(
                    "`full_bf16` is taken as sdxl_train.py does; fine_tune.py passes it over: take it out if the base model is Stable Diffusion 1.x");
        }
        require("full_fp16", "fp16", half);
        require("full_bf16", "bf16", rounded);
        if (!draft.at("training.precision").asText().equals(Precision.BFloat16.name())) {
            return;
        }
        // Adafactor's fused step rounds by chance there too.
        boolean chance = type == OptimizerType.Adafactor && options.flag("fused_backward_pass", false);
        if (rounded && !chance) {
            findings.differs("weights of `full_bf16` are rounded by chance, and not to the nearest");
        }
        if (half) {
            findings.differs("`full_fp16` became weights in bf16, which are rounded by chance");
        }
        draft.put(
                half ? "full_fp16" : rounded ? "full_bf16" : "mixed_precision",
                "training.fullFineTuning.bf16Weights",
                half || rounded ? Bf16Weights.StochasticRounding : Bf16Weights.Fp32Master);
    }

    private void require(String key, String precision, boolean on) {
        if (on && !options.text("mixed_precision", "no").equalsIgnoreCase(precision)) {
            throw options.wrong(key, "be false unless mixed_precision is " + precision);
        }
    }

    /** Unset, files are of the form that the base model has. */
    private void files() {
        boolean file = Places.isModelFile(draft.at("baseModel.uri").asText());
        String form = options.choice(
                "save_model_as",
                file ? "safetensors" : "diffusers",
                List.of("ckpt", "safetensors", "diffusers", "diffusers_safetensors"));
        draft.put(
                "save_model_as",
                "output.formats",
                List.of(form.startsWith("diffusers") ? AdapterFormat.Diffusers : AdapterFormat.Kohya));
        if (form.equals("ckpt")) {
            findings.differs("`save_model_as` ckpt became safetensors");
        }
    }
}
