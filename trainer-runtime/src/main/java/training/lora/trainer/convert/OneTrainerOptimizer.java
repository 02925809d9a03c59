package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import org.jspecify.annotations.Nullable;
import training.lora.api.OptimizerType;
import training.lora.api.ScheduleType;

/** OneTrainer's optimizer, its rates and their schedule, and the moving average. */
final class OneTrainerOptimizer {
    private static final double LEARNING_RATE = 3e-6;

    /** A norm that no gradient has. */
    private static final double NO_CLIPPING = 1e9;

    private final Options options;
    private final Draft draft;
    private final @Nullable Integer epoch;
    private final boolean trainsTextEncoder;

    /** @param epoch steps of an epoch; null where the pictures can't be counted */
    OneTrainerOptimizer(Options options, Draft draft, @Nullable Integer epoch, boolean trainsTextEncoder) {
        this.options = options;
        this.draft = draft;
        this.epoch = epoch;
        this.trainsTextEncoder = trainsTextEncoder;
    }

    void put() {
        String path = "training.optimizer.";
        Options optimizer = options.child("optimizer");
        OptimizerType type = Optimizers.of(optimizer.text("optimizer", "ADAMW"));
        if (type == null) {
            throw optimizer.refused("optimizer");
        }
        draft.put("optimizer.optimizer", path + "type", type);
        Optimizers.note(type, optimizer);
        double common = options.number("learning_rate", LEARNING_RATE);
        Double own = options.child("unet").number("learning_rate");
        double rate = own == null ? common : own;
        draft.put(own == null ? "learning_rate" : "unet.learning_rate", path + "learningRate", rate);
        Double text = options.child("text_encoder").number("learning_rate");
        double textRate = text == null ? common : text;
        if (trainsTextEncoder && textRate != rate) {
            draft.put("text_encoder.learning_rate", path + "textEncoderLearningRate", textRate);
        }
        draft.put(
                "optimizer.weight_decay",
                path + "weightDecay",
                optimizer.number("weight_decay", Optimizers.decay(type)));
        if (type != OptimizerType.Adafactor) {
            number(optimizer, "beta1", path + "beta1", 0);
            number(optimizer, "beta2", path + "beta2", 0);
        }
        number(optimizer, "d_coef", path + "dCoefficient", 1);
        number(optimizer, "growth_rate", path + "growthRate", 1);
        if (!options.text("ema", "OFF").equals("OFF")) {
            draft.put("ema_decay", "training.ema.decay", options.number("ema_decay", 0.999));
        }
        // Null, where unset is 1, is no clipping there.
        double norm = options.number("clip_grad_norm", options.node().has("clip_grad_norm") ? 0 : 1);
        draft.put("clip_grad_norm", path + "maxGradientNorm", norm == 0 ? NO_CLIPPING : norm);
        if (type.scheduleFree()) {
            draft.put("learning_rate_scheduler", path + "schedule.type", ScheduleType.Constant);
        } else {
            schedule(path + "schedule.");
        }
    }

    /** A number that is left out where it is unset or {@code usual}. */
    private void number(Options optimizer, String key, String path, double usual) {
        JsonNode raw = optimizer.raw(key);
        if (raw != null && !raw.asText().startsWith("inf") && !raw.asText().startsWith("Inf")) {
            double value = optimizer.number(key, usual);
            if (value != usual) {
                draft.put("optimizer." + key, path, value);
            }
        }
    }

    private void schedule(String path) {
        ScheduleType type =
                switch (options.text("learning_rate_scheduler", "CONSTANT")) {
                    case "CONSTANT" -> ScheduleType.Constant;
                    case "LINEAR" -> ScheduleType.Linear;
                    case "COSINE" -> ScheduleType.Cosine;
                    case "COSINE_WITH_HARD_RESTARTS" -> ScheduleType.CosineRestarts;
                    default -> throw options.refused("learning_rate_scheduler");
                };
        draft.put("learning_rate_scheduler", path + "type", type);
        if (type == ScheduleType.CosineRestarts) {
            int cycles = (int) Math.max(1, Math.round(options.number("learning_rate_cycles", 1)));
            draft.put("learning_rate_cycles", path + "cycles", cycles);
        }
        double factor = options.number("learning_rate_min_factor", 0);
        if (factor != 0 && type != ScheduleType.Constant) {
            draft.put("learning_rate_min_factor", path + "finalFraction", factor);
        }
        double warmUp = options.number("learning_rate_warmup_steps", 200);
        if (warmUp > 0 && warmUp <= 1) {
            if (epoch == null) {
                options.findings()
                        .note(
                                "`learning_rate_warmup_steps` %s is a share of steps that can't be counted here: there is none"
                                        .formatted(warmUp));
                return;
            }
            warmUp = warmUp * epoch * draft.at("training.epochs").asInt();
        } else {
            // It counts batches.
            warmUp /= draft.at("training.gradientAccumulation").asInt();
        }
        if (warmUp >= 1) {
            draft.put("learning_rate_warmup_steps", path + "warmupSteps", (int) warmUp);
        }
    }
}
