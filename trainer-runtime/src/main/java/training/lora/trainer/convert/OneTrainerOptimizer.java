package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.api.OptimizerType;
import training.lora.api.ScheduleType;
import training.lora.api.TrainingMethod;

/** OneTrainer's optimizer, its rates and their schedule, and the moving average. */
final class OneTrainerOptimizer {
    private static final String PATH = "training.optimizer.";

    private static final double LEARNING_RATE = 3e-6;

    private static final int EPOCHS = 100;

    /** Epochs after which text encoders stop there, unless something else is said. */
    private static final int STOP_AFTER = 30;

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

    /** How often the data are gone through there. */
    static int epochs(Options options) {
        return options.whole("epochs", EPOCHS);
    }

    /** The one that is asked for. */
    OptimizerType type() {
        Options optimizer = options.child("optimizer");
        OptimizerType type = Optimizers.of(optimizer.text("optimizer", "ADAMW"));
        if (type == null) {
            throw optimizer.refused("optimizer");
        }
        return type;
    }

    /** The rate of what has none of its own. */
    double commonRate() {
        return options.number("learning_rate", LEARNING_RATE);
    }

    /** Its weight decay. */
    double decay(OptimizerType type) {
        return options.child("optimizer").number("weight_decay", Optimizers.decay(type));
    }

    /** What counts where tokens are all that is trained, too. */
    void putCommon() {
        Optimizers.note(type(), options.child("optimizer"));
        if (!options.text("ema", "OFF").equals("OFF")) {
            draft.put("ema_decay", "training.ema.decay", options.number("ema_decay", 0.999));
        }
        clipping(PATH);
    }

    void put() {
        Options optimizer = options.child("optimizer");
        OptimizerType type = type();
        draft.put("optimizer.optimizer", PATH + "type", type);
        double common = commonRate();
        Double own = options.child("unet").number("learning_rate");
        double rate = own == null ? common : own;
        draft.put(own == null ? "learning_rate" : "unet.learning_rate", PATH + "learningRate", rate);
        Double text = options.child("text_encoder").number("learning_rate");
        double textRate = text == null ? common : text;
        if (trainsTextEncoder && textRate != rate) {
            draft.put("text_encoder.learning_rate", PATH + "textEncoderLearningRate", textRate);
        }
        draft.put("optimizer.weight_decay", PATH + "weightDecay", decay(type));
        if (type != OptimizerType.Adafactor) {
            number(optimizer, "beta1", PATH + "beta1", 0);
            number(optimizer, "beta2", PATH + "beta2", 0);
        }
        number(optimizer, "d_coef", PATH + "dCoefficient", 1);
        number(optimizer, "growth_rate", PATH + "growthRate", 1);
        stop(PATH, type);
        putCommon();
        if (type.scheduleFree()) {
            draft.put("learning_rate_scheduler", PATH + "schedule.type", ScheduleType.Constant);
        } else {
            schedule(PATH + "schedule.");
        }
    }

    /** Epochs, or batches, after which text encoders stay as they are; unset, as there, 30 epochs. */
    private void stop(String path, OptimizerType type) {
        Options text = options.child("text_encoder");
        String unit = text.text("stop_training_after_unit", "EPOCH");
        int after = text.whole("stop_training_after", STOP_AFTER);
        if (!trainsTextEncoder || unit.equals("NEVER")) {
            return;
        }
        if (after < 1) {
            throw text.wrong(
                    "stop_training_after",
                    "be at least 1 where text_encoder.train is true, since there %d means never trained"
                            .formatted(after));
        }
        int epochs = epochs(options);
        int batches = draft.at("training.gradientAccumulation").asInt();
        double all = unit.equals("EPOCH") ? epochs : epoch == null ? 0 : (double) epoch * epochs * batches;
        if (all == 0 || !List.of("EPOCH", "STEP").contains(unit) || type.findsItsRate()) {
            options.findings()
                    .note(
                            "`text_encoder.stop_training_after` %d %s can't be told as a share of the steps here: text encoders are trained to the end"
                                    .formatted(after, unit));
        } else if (after < all) {
            draft.put("text_encoder.stop_training_after", path + "textEncoderStopFraction", after / all);
        }
    }

    /** Null, where unset is 1, is no clipping there. */
    private void clipping(String path) {
        double norm = options.number("clip_grad_norm", options.node().has("clip_grad_norm") ? 0 : 1);
        if (!draft.at("training.method").asText().equals(TrainingMethod.FullFineTuning.name())) {
            draft.put("clip_grad_norm", path + "maxGradientNorm", norm == 0 ? NO_CLIPPING : norm);
        } else if (norm != 0) {
            options.findings()
                    .note("`clip_grad_norm` %s is left out: with FINE_TUNE weights move before all gradients are there"
                            .formatted(norm));
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
        int warmUp = warmUp();
        if (warmUp > 0) {
            draft.put("learning_rate_warmup_steps", path + "warmupSteps", warmUp);
        }
    }

    /** Steps of the rise to the rate. */
    int warmUp() {
        double warmUp = options.number("learning_rate_warmup_steps", 200);
        if (warmUp > 0 && warmUp <= 1) {
            if (epoch == null) {
                options.findings()
                        .note(
                                "`learning_rate_warmup_steps` %s is a share of steps that can't be counted here: there is none"
                                        .formatted(warmUp));
                return 0;
            }
            warmUp = warmUp * epoch * epochs(options);
        } else {
            // It counts batches.
            warmUp /= draft.at("training.gradientAccumulation").asInt();
        }
        return (int) warmUp;
    }
}
