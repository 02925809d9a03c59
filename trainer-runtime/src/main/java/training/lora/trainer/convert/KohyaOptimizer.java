package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import java.math.BigDecimal;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import training.lora.api.LossWeighting;
import training.lora.api.OptimizerType;
import training.lora.api.ScheduleType;
import training.lora.api.TrainingMethod;

/** kohya's optimizer, schedule and loss. */
final class KohyaOptimizer {
    /** A norm that no gradient has. */
    private static final double NO_CLIPPING = 1e9;

    private static final double LEARNING_RATE = 2e-6;

    private static final String PATH = "training.optimizer.";

    /** Options that are on for one optimizer, which count before a name. */
    private static final Map<String, OptimizerType> OF_TYPE =
            new TreeMap<>(Map.of("use_8bit_adam", OptimizerType.AdamW8bit, "use_lion_optimizer", OptimizerType.Lion));

    private final Options options;
    private final Options arguments;
    private final Draft draft;
    private final Supplier<@Nullable Integer> steps;

    /** @param steps those of the training; null where they can't be counted */
    KohyaOptimizer(Options options, Draft draft, Supplier<@Nullable Integer> steps) {
        this.options = options;
        this.arguments = options.child("optimizer_args");
        this.draft = draft;
        this.steps = steps;
    }

    /**
     * What is learned at which rate.
     *
     * @param key the option that the denoiser's is from
     * @param rate the denoiser's
     * @param textKey the option that the text encoders' is from
     * @param text theirs; null where they aren't trained
     */
    record Rates(
            String key,
            double rate,
            String textKey,
            @Nullable Double text) {}

    /** The rate of what has none of its own. */
    double commonRate() {
        return options.number("learning_rate", LEARNING_RATE);
    }

    /** Sets what moves an adapter, or a whole model. */
    void put(Rates rates) {
        OptimizerType type = type();
        draft.put(typeKey(), PATH + "type", type);
        Optimizers.note(type, arguments);
        draft.put(rates.key(), PATH + "learningRate", rates.rate());
        if (rates.text() != null && rates.text() != rates.rate()) {
            draft.put(rates.textKey(), PATH + "textEncoderLearningRate", rates.text());
        }
        draft.put("optimizer_args.weight_decay", PATH + "weightDecay", decay(type));
        double[] betas = betas();
        if (betas != null) {
            draft.put("optimizer_args.betas", PATH + "beta1", betas[0]);
            draft.put("optimizer_args.betas", PATH + "beta2", betas[1]);
        }
        Double coefficient = arguments.number("d_coef");
        if (coefficient != null && coefficient != 1) {
            draft.put("optimizer_args.d_coef", PATH + "dCoefficient", coefficient);
        }
        Double growth = growth();
        if (growth != null) {
            draft.put("optimizer_args.growth_rate", PATH + "growthRate", growth);
        }
        clip();
        if (type.scheduleFree()) {
            // There a schedule is passed over with these.
            draft.put(PATH + "schedule.type", ScheduleType.Constant);
            int warmUp = arguments.whole("warmup_steps", 0);
            if (warmUp > 0) {
                draft.put("optimizer_args.warmup_steps", PATH + "schedule.warmupSteps", warmUp);
            }
        } else {
            schedule();
        }
    }

    /** Sets the norm that gradients are scaled down to. */
    void clip() {
        double norm = options.number("max_grad_norm", 1);
        if (!draft.at("training.method").asText().equals(TrainingMethod.FullFineTuning.name())) {
            draft.put("max_grad_norm", PATH + "maxGradientNorm", norm == 0 ? NO_CLIPPING : norm);
        } else if (norm != 0) {
            options.findings()
                    .differs("`max_grad_norm` %s is left out, because weights move before all gradients are there"
                            .formatted(norm));
        }
    }

    /** Decoupled weight decay. */
    double decay(OptimizerType type) {
        return arguments.number("weight_decay", Optimizers.decay(type));
    }

    /** What the optimizer is given. */
    Options arguments() {
        return arguments;
    }

    /** Prodigy's; null where it is unset or endless. */
    @Nullable Double growth() {
        boolean endless = arguments.text("growth_rate", "inf").matches("(?i)(float\\()?['\"]?inf.*");
        return endless ? null : arguments.number("growth_rate");
    }

    /** The option that says which optimizer it is. */
    String typeKey() {
        return OF_TYPE.keySet().stream()
                .filter(key -> options.flag(key, false))
                .findFirst()
                .orElse("optimizer_type");
    }

    /** The optimizer. */
    OptimizerType type() {
        OptimizerType flagged = OF_TYPE.get(typeKey());
        if (flagged != null) {
            for (String other : List.of("optimizer_type", "use_lion_optimizer")) {
                JsonNode value = options.raw(other);
                if (!other.equals(typeKey()) && value != null && !Values.isOff(value)) {
                    throw options.wrong(other, "be unset beside `%s`".formatted(typeKey()));
                }
            }
            return flagged;
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

    /** Both betas; null where they are unset. */
    double @Nullable [] betas() {
        String betas = arguments.text("betas");
        if (betas == null) {
            return null;
        }
        String[] parts = betas.replaceAll("[()\\[\\]]", "").split("\\s*,\\s*");
        try {
            return new double[] {Double.parseDouble(parts[0].strip()), Double.parseDouble(parts[1].strip())};
        } catch (NumberFormatException | ArrayIndexOutOfBoundsException e) {
            throw arguments.wrong("betas", "be two numbers with a comma between them");
        }
    }

    /** The schedule's name. */
    String scheduleName() {
        return options.text("lr_scheduler", "constant").toLowerCase(Locale.ROOT);
    }

    private void schedule() {
        String schedule = PATH + "schedule.";
        String name = scheduleName();
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
        int warmUp = warmUp();
        if (warmUp > 0) {
            draft.put("lr_warmup_steps", schedule + "warmupSteps", warmUp);
        }
        countsWith("cosine_with_min_lr", "lr_scheduler_min_lr_ratio", 0);
        if (!name.equals("cosine_with_min_lr")) {
            countsWith("cosine_with_restarts", "lr_scheduler_num_cycles", 1);
        } else if (options.number("lr_scheduler_num_cycles", 1) != 1) {
            options.findings()
                    .differs("with cosine_with_min_lr the rate falls once, whatever `lr_scheduler_num_cycles` is");
        }
        countsWith("polynomial", "lr_scheduler_power", 1);
        if (name.equals("constant") && WarmUp.of(options).length() > 0) {
            options.findings().ignores("lr_warmup_steps", "with constant there is none, but with constant_with_warmup");
        }
    }

    /** Says that an option counts with one schedule alone, where it is given beside another. */
    private void countsWith(String schedule, String key, double usual) {
        if (!scheduleName().equals(schedule) && options.number(key, usual) != usual) {
            options.findings().ignores(key, "counts with %s alone".formatted(schedule));
        }
    }

    /** Steps of the rise to the rate, which a constant one has none of. */
    int warmUp() {
        WarmUp given = WarmUp.of(options);
        double warmUp = given.length();
        if (given.share() && warmUp > 0) {
            Integer all = steps.get();
            if (all == null) {
                throw options.wrong(
                        "lr_warmup_steps",
                        "be a number of steps where `max_train_epochs` is given and the folders of pictures aren't here to be counted");
            }
            warmUp = Math.floor(warmUp * all);
        }
        return scheduleName().equals("constant") ? 0 : (int) warmUp;
    }

    /**
     * What lr_warmup_steps asks for.
     *
     * @param length a number of steps, or a share of all of them
     * @param share whether it is a share: below 1, or a percentage
     */
    private record WarmUp(double length, boolean share) {
        private static final String KEY = "lr_warmup_steps";

        static WarmUp of(Options options) {
            String text = options.text(KEY, "").strip();
            if (!text.endsWith("%")) {
                double length = options.number(KEY, 0);
                return new WarmUp(length, length < 1);
            }
            try {
                return new WarmUp(
                        new BigDecimal(text.substring(0, text.length() - 1).strip())
                                .movePointLeft(2)
                                .doubleValue(),
                        true);
            } catch (NumberFormatException e) {
                throw options.wrong(KEY, "be a number, or one with % behind it");
            }
        }
    }

    /** Sets the loss. */
    void loss() {
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
            draft.put("min_snr_gamma", loss + "weighting", LossWeighting.MinSnr);
            draft.put("min_snr_gamma", loss + "minSnrGamma", gamma);
        } else {
            draft.put(
                    "debiased_estimation_loss",
                    loss + "weighting",
                    debiased ? LossWeighting.Debiased : LossWeighting.Uniform);
        }
        timesteps();
        draft.put("noise_offset", loss + "offsetNoise", options.number("noise_offset", 0));
        if (options.number("multires_noise_iterations", 0) > 0) {
            draft.put(
                    options.has("multires_noise_discount") ? "multires_noise_discount" : "multires_noise_iterations",
                    loss + "pyramidNoise",
                    options.number("multires_noise_discount", 0.3));
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
