package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Locale;
import training.lora.api.LossWeighting;
import training.lora.api.OptimizerType;
import training.lora.api.ScheduleType;

/** kohya's optimizer, schedule and loss. */
final class KohyaOptimizer {
    /** A norm that no gradient has. */
    private static final double NO_CLIPPING = 1e9;

    private static final double LEARNING_RATE = 2e-6;

    private final Options options;
    private final Options arguments;
    private final Draft draft;

    KohyaOptimizer(Options options, Draft draft) {
        this.options = options;
        this.arguments = options.child("optimizer_args");
        this.draft = draft;
    }

    void put() {
        String optimizer = "training.optimizer.";
        OptimizerType type = type();
        draft.put("optimizer_type", optimizer + "type", type);
        Optimizers.note(type, arguments);
        double common = options.number("learning_rate", LEARNING_RATE);
        String key = options.has("unet_lr") ? "unet_lr" : "learning_rate";
        double rate = options.number("unet_lr", common);
        draft.put(key, optimizer + "learningRate", rate);
        if (KohyaAdapter.trainsTextEncoder(options)) {
            double text = textEncoderRate(common);
            if (text != rate) {
                draft.put("text_encoder_lr", optimizer + "textEncoderLearningRate", text);
            }
        }
        draft.put(
                "optimizer_args.weight_decay",
                optimizer + "weightDecay",
                arguments.number("weight_decay", Optimizers.decay(type)));
        betas();
        Double coefficient = arguments.number("d_coef");
        if (coefficient != null && coefficient != 1) {
            draft.put("optimizer_args.d_coef", optimizer + "dCoefficient", coefficient);
        }
        String growth = arguments.text("growth_rate", "inf");
        if (!growth.matches("(?i)(float\\()?['\"]?inf.*")) {
            draft.put("optimizer_args.growth_rate", optimizer + "growthRate", arguments.number("growth_rate", 1));
        }
        Options network = options.child("network_args");
        Double ratio = network.number("loraplus_unet_lr_ratio");
        ratio = ratio == null ? network.number("loraplus_lr_ratio") : ratio;
        if (ratio != null) {
            draft.put("network_args.loraplus_lr_ratio", optimizer + "loraPlusRatio", ratio);
        }
        double norm = options.number("max_grad_norm", 1);
        draft.put("max_grad_norm", optimizer + "maxGradientNorm", norm == 0 ? NO_CLIPPING : norm);
        if (type.scheduleFree()) {
            // There a schedule is passed over with these.
            draft.put(optimizer + "schedule.type", ScheduleType.Constant);
            int warmUp = arguments.whole("warmup_steps", 0);
            if (warmUp > 0) {
                draft.put("optimizer_args.warmup_steps", optimizer + "schedule.warmupSteps", warmUp);
            }
        } else {
            schedule();
        }
        loss();
    }

    private OptimizerType type() {
        if (options.flag("use_8bit_adam", false)) {
            return OptimizerType.AdamW8bit;
        }
        if (options.flag("use_lion_optimizer", false)) {
            return OptimizerType.Lion;
        }
        OptimizerType type = Optimizers.of(options.text("optimizer_type", "AdamW"));
        if (type == null) {
            throw options.refused("optimizer_type");
        }
        if (type == OptimizerType.Adafactor && arguments.flag("relative_step", true)) {
            throw arguments.refused("relative_step");
        }
        if (type == OptimizerType.Adafactor && arguments.flag("scale_parameter", true)) {
            throw arguments.refused("scale_parameter");
        }
        return type;
    }

    private double textEncoderRate(double common) {
        List<String> rates = options.texts("text_encoder_lr");
        if (rates.stream().distinct().count() > 1) {
            throw options.refused("text_encoder_lr");
        }
        if (rates.isEmpty()) {
            return common;
        }
        try {
            return Double.parseDouble(rates.get(0));
        } catch (NumberFormatException e) {
            throw options.wrong("text_encoder_lr", "be a number");
        }
    }

    private void betas() {
        String betas = arguments.text("betas");
        if (betas == null) {
            return;
        }
        String[] parts = betas.replaceAll("[()\\[\\]]", "").split("\\s*,\\s*");
        try {
            draft.put("optimizer_args.betas", "training.optimizer.beta1", Double.valueOf(parts[0].strip()));
            draft.put("optimizer_args.betas", "training.optimizer.beta2", Double.valueOf(parts[1].strip()));
        } catch (NumberFormatException | ArrayIndexOutOfBoundsException e) {
            throw arguments.wrong("betas", "be two numbers with a comma between them");
        }
    }

    private void schedule() {
        String schedule = "training.optimizer.schedule.";
        String name = options.text("lr_scheduler", "constant").toLowerCase(Locale.ROOT);
        ScheduleType type =
                switch (name) {
                    case "constant", "constant_with_warmup" -> ScheduleType.Constant;
                    case "linear" -> ScheduleType.Linear;
                    case "cosine", "cosine_with_min_lr" -> ScheduleType.Cosine;
                    case "cosine_with_restarts" -> ScheduleType.CosineRestarts;
                    case "polynomial" -> ScheduleType.Polynomial;
                    default -> throw options.refused("lr_scheduler");
                };
        draft.put("lr_scheduler", schedule + "type", type);
        if (type == ScheduleType.CosineRestarts) {
            draft.put("lr_scheduler_num_cycles", schedule + "cycles", options.whole("lr_scheduler_num_cycles", 1));
        }
        if (type == ScheduleType.Polynomial) {
            draft.put("lr_scheduler_power", schedule + "power", options.number("lr_scheduler_power", 1));
        }
        if (name.equals("cosine_with_min_lr")) {
            draft.put(
                    "lr_scheduler_min_lr_ratio",
                    schedule + "finalFraction",
                    options.number("lr_scheduler_min_lr_ratio", 0));
        }
        double warmUp = options.number("lr_warmup_steps", 0);
        if (warmUp > 0 && warmUp < 1) {
            JsonNode steps = draft.at("training.steps");
            if (steps.isMissingNode()) {
                throw options.wrong("lr_warmup_steps", "be a number of steps where `max_train_epochs` is given");
            }
            warmUp = Math.floor(warmUp * steps.asInt());
        }
        if (warmUp > 0 && !name.equals("constant")) {
            draft.put("lr_warmup_steps", schedule + "warmupSteps", (int) warmUp);
        }
    }

    private void loss() {
        String loss = "training.loss.";
        switch (options.text("loss_type", "l2")) {
            case "l2" -> {}
            case "huber" -> huber();
            default -> throw options.refused("loss_type");
        }
        Double gamma = options.number("min_snr_gamma");
        boolean debiased = options.flag("debiased_estimation_loss", false);
        if (gamma != null && gamma != 0 && debiased) {
            throw options.refused("debiased_estimation_loss");
        }
        if (gamma != null && gamma != 0) {
            draft.put(loss + "weighting", LossWeighting.MinSnr);
            draft.put("min_snr_gamma", loss + "minSnrGamma", gamma);
        } else {
            draft.put(loss + "weighting", debiased ? LossWeighting.Debiased : LossWeighting.Uniform);
        }
        timesteps();
        draft.put("noise_offset", loss + "offsetNoise", options.number("noise_offset", 0));
        if (options.number("multires_noise_iterations", 0) > 0) {
            draft.put("multires_noise_discount", loss + "pyramidNoise", options.number("multires_noise_discount", 0.3));
        }
        draft.put("ip_noise_gamma", loss + "inputPerturbation", options.number("ip_noise_gamma", 0));
    }

    /** There the least is drawn, and the greatest isn't. */
    private void timesteps() {
        Integer least = options.whole("min_timestep");
        Integer end = options.whole("max_timestep");
        if (least != null && least > 0) {
            draft.put("min_timestep", "training.loss.minimumTimestep", least);
        }
        if (end != null && end < 1000) {
            draft.put("max_timestep", "training.loss.maximumTimestep", end - 1);
        }
    }

    private void huber() {
        String schedule = options.text("huber_schedule", "snr");
        if (schedule.equals("constant")) {
            throw options.refused("huber_schedule");
        }
        if (schedule.equals("snr")) {
            options.findings().note("`huber_schedule` snr became exponential, which is near to it");
        }
        draft.put("huber_c", "training.loss.huberDelta", options.number("huber_c", 0.1));
    }
}
