package training.lora.trainer.train.progress;

import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import training.lora.api.LossSpec;
import training.lora.api.LossWeighting;
import training.lora.api.OptimizerSpec;
import training.lora.api.OptimizerType;
import training.lora.api.TokensSpec;

/** What files say of the optimizer and of what it minimised, in the keys of kohya's trainer. */
final class MovedBy {
    private static final String OPTIMIZER = "ss_optimizer";
    private static final String SCHEDULER = "ss_lr_scheduler";
    private static final String WARM_UP = "ss_lr_warmup_steps";

    private MovedBy() {}

    /** @param whole whether a model's own weights are trained, which no network's arguments go with */
    static Map<String, String> of(OptimizerSpec spec, boolean whole) {
        Map<String, String> meta = new TreeMap<>();
        StringBuilder arguments = new StringBuilder("weight_decay=" + spec.weightDecay());
        if (spec.beta1() != null && spec.beta2() != null) {
            arguments.append(",betas=(%s, %s)".formatted(spec.beta1(), spec.beta2()));
        }
        if (spec.dCoefficient() != null) {
            arguments.append(",d_coef=").append(spec.dCoefficient());
        }
        if (spec.growthRate() != null) {
            arguments.append(",growth_rate=").append(spec.growthRate());
        }
        meta.put(OPTIMIZER, "%s(%s)".formatted(spec.type(), arguments));
        meta.put(SCHEDULER, spec.schedule().course().name().toLowerCase(Locale.ROOT));
        meta.put(WARM_UP, spec.schedule().warmupSteps().toString());
        if (spec.loraPlusRatio() != null && !whole) {
            meta.put("ss_network_args", "{\"loraplus_lr_ratio\":\"%s\"}".formatted(spec.loraPlusRatio()));
        }
        return meta;
    }

    /** Where tokens are all that is trained: their rate falls by a power of what is left, or not at all. */
    static Map<String, String> tokens(TokensSpec spec) {
        String arguments = "weight_decay=" + spec.weightDecay();
        OptimizerType type = spec.optimizer();
        return Map.of(
                OPTIMIZER, "%s(%s)".formatted(type, arguments),
                SCHEDULER, spec.power() == 0 ? "constant" : "polynomial",
                WARM_UP, spec.warmupSteps().toString());
    }

    /** None of what is off, as kohya's trainer writes that there is none. */
    static Map<String, String> losses(LossSpec spec) {
        return Map.of(
                "ss_min_snr_gamma",
                spec.weighting() == LossWeighting.MinSnr ? spec.minSnrGamma().toString() : "None",
                "ss_debiased_estimation",
                spec.weighting() == LossWeighting.Debiased ? "True" : "False",
                "ss_noise_offset",
                number(spec.offsetNoise()),
                "ss_ip_noise_gamma",
                number(spec.inputPerturbation()));
    }

    private static String number(double value) {
        return value == 0 ? "None" : Double.toString(value);
    }
}
