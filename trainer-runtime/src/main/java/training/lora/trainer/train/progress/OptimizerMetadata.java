package training.lora.trainer.train.progress;

import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import training.lora.api.LossSpec;
import training.lora.api.LossWeighting;
import training.lora.api.OptimizerSpec;
import training.lora.api.OptimizerType;
import training.lora.api.TokensSpec;
import training.lora.api.TrainingMethod;
import training.lora.api.TrainingSpec;

/** The metadata of a file on the optimizer, its rates and the loss that trained it, under the keys of kohya's trainer. */
final class OptimizerMetadata {
    private static final String RATE = "ss_learning_rate";
    private static final String OPTIMIZER = "ss_optimizer";
    private static final String SCHEDULER = "ss_lr_scheduler";
    private static final String WARM_UP = "ss_lr_warmup_steps";

    private OptimizerMetadata() {}

    /** Of what is trained: an adapter, a model's own weights, or tokens alone. */
    static Map<String, String> of(TrainingSpec spec) {
        return spec.method() == TrainingMethod.TextualInversion
                ? ofTokens(spec.tokens())
                : ofWeights(spec, spec.method() == TrainingMethod.FullFineTuning);
    }

    /** @param whole whether a model's own weights are trained, which no network's arguments go with */
    private static Map<String, String> ofWeights(TrainingSpec training, boolean whole) {
        OptimizerSpec spec = training.optimizer();
        Map<String, String> meta = new TreeMap<>();
        String rate = Double.toString(spec.highestLearningRate());
        meta.put(RATE, rate);
        meta.put("ss_unet_lr", rate);
        if (training.adapter().textEncoder()) {
            meta.put("ss_text_encoder_lr", Double.toString(spec.textEncoderFactor() * spec.highestLearningRate()));
        }
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

    /** Of new tokens, whose rate falls by a power of what is left of the training, or not at all. */
    private static Map<String, String> ofTokens(TokensSpec spec) {
        String arguments = "weight_decay=" + spec.weightDecay();
        OptimizerType type = spec.optimizer();
        return Map.of(
                RATE, Double.toString(spec.highestLearningRate()),
                OPTIMIZER, "%s(%s)".formatted(type, arguments),
                SCHEDULER, spec.power() == 0 ? "constant" : "polynomial",
                WARM_UP, spec.warmupSteps().toString());
    }

    /**
     * Of a file of new tokens, which have an optimizer of their own also beside an adapter.
     *
     * @param training what the files of the whole training say of it, with {@link #of} among it
     */
    static Map<String, String> ofTokens(Map<String, String> training, TrainingSpec spec) {
        Map<String, String> meta = new TreeMap<>(training);
        meta.keySet().removeAll(of(spec).keySet());
        meta.putAll(ofTokens(spec.tokens()));
        return meta;
    }

    /** Of the loss; None of what is off, as kohya's trainer writes that there is none. */
    static Map<String, String> ofLoss(LossSpec spec) {
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
