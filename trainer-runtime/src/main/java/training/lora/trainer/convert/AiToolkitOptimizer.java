package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Locale;
import training.lora.api.OptimizerType;
import training.lora.api.ScheduleType;

/** ai-toolkit's optimizer, its rates and their schedule, and the moving average. */
final class AiToolkitOptimizer {
    /** A norm that no gradient has. */
    private static final double NO_CLIPPING = 1e9;

    /** Of what Prodigy's rate is multiplied by. */
    private static final double LEAST_FACTOR = 0.1;

    private final Options train;
    private final Draft draft;

    AiToolkitOptimizer(Options train, Draft draft) {
        this.train = train;
        this.draft = draft;
    }

    /** What counts batches, in steps. */
    static int inSteps(Options train, int counted) {
        int each = train.whole("gradient_accumulation_steps", 1);
        return (counted + each - 1) / each;
    }

    /** The rates of tokens. */
    void put(AiToolkitTokens tokens) {
        OptimizerType type = type();
        String key = train.has("embedding_lr") ? "embedding_lr" : "lr";
        double rate = train.number(key, 1e-6);
        if (tokens.any() && type == OptimizerType.Prodigy && rate < LEAST_FACTOR) {
            throw train.wrong(
                    key, "be at least 0.1 with Prodigy where an embedding is trained, whose rate is multiplied by it");
        }
        tokens.put(type, rate, warmUp());
    }

    private OptimizerType type() {
        OptimizerType type = Optimizers.of(train.text("optimizer", "adamw"));
        if (type == null) {
            throw train.refused("optimizer");
        }
        return type;
    }

    /** What counts where tokens are all that is trained, too. */
    void putCommon() {
        Optimizers.note(type(), train.child("optimizer_params"));
        Options average = train.child("ema_config");
        if (average.flag("use_ema", false)) {
            draft.put("train.ema_config.ema_decay", "training.ema.decay", average.number("ema_decay", 0.999));
        }
        double norm = train.number("max_grad_norm", 1);
        draft.put("train.max_grad_norm", "training.optimizer.maxGradientNorm", norm == 0 ? NO_CLIPPING : norm);
    }

    /** All of it. */
    void put() {
        String path = "training.optimizer.";
        OptimizerType type = type();
        draft.put("train.optimizer", path + "type", type);
        double common = train.number("lr", 1e-6);
        double rate = rate(type, train.number("unet_lr", common));
        draft.put(train.has("unet_lr") ? "train.unet_lr" : "train.lr", path + "learningRate", rate);
        double text = rate(type, train.number("text_encoder_lr", common));
        if (train.flag("train_text_encoder", false) && text != rate) {
            draft.put("train.text_encoder_lr", path + "textEncoderLearningRate", text);
        }
        Options parameters = train.child("optimizer_params");
        draft.put(
                "train.optimizer_params.weight_decay",
                path + "weightDecay",
                parameters.number("weight_decay", Optimizers.decay(type)));
        JsonNode betas = parameters.raw("betas");
        if (betas != null) {
            if (betas.size() != 2 || !betas.path(0).isNumber() || !betas.path(1).isNumber()) {
                throw parameters.wrong("betas", "be a list of two numbers");
            }
            draft.put(
                    "train.optimizer_params.betas",
                    path + "beta1",
                    betas.path(0).asDouble());
            draft.put(
                    "train.optimizer_params.betas",
                    path + "beta2",
                    betas.path(1).asDouble());
        }
        Double coefficient = parameters.number("d_coef");
        if (coefficient != null && coefficient != 1) {
            draft.put("train.optimizer_params.d_coef", path + "dCoefficient", coefficient);
        }
        putCommon();
        schedule(path + "schedule.");
    }

    /** There an adapter's rate of less than 0.1 is 1 with Prodigy; an embedding has its own, which stays. */
    private static double rate(OptimizerType type, double given) {
        return type == OptimizerType.Prodigy && given < LEAST_FACTOR ? 1 : given;
    }

    private void schedule(String path) {
        String wanted = train.text("lr_scheduler", "constant").toLowerCase(Locale.ROOT);
        ScheduleType type =
                switch (wanted) {
                    case "constant", "constant_with_warmup" -> ScheduleType.Constant;
                    case "cosine" -> ScheduleType.Cosine;
                    case "cosine_with_restarts" -> ScheduleType.CosineRestarts;
                    default -> throw train.refused("lr_scheduler");
                };
        draft.put("train.lr_scheduler", path + "type", type);
        if (type == ScheduleType.CosineRestarts) {
            // There the first cycle is as long as the run.
            draft.put("train.lr_scheduler", path + "cycles", 1);
        }
        if (warmUp() > 0) {
            draft.put("train.lr_scheduler_params.num_warmup_steps", path + "warmupSteps", warmUp());
        }
    }

    /** Steps of the rise to the rate. */
    private int warmUp() {
        boolean rises = train.text("lr_scheduler", "constant").equalsIgnoreCase("constant_with_warmup");
        return rises ? inSteps(train, train.child("lr_scheduler_params").whole("num_warmup_steps", 1000)) : 0;
    }
}
