package training.lora.trainer.evaluate;

import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.api.EvaluationSpec;
import training.lora.api.ScoreWeightsSpec;

/**
 * How much each share weighs in the score, their weighted harmonic mean, which is low where one that weighs is: sum(w) /
 * sum(w / share).
 */
record ScoreWeights(ScoreWeightsSpec spec) {
    static final ScoreWeights DEFAULT = new ScoreWeights(ScoreWeightsSpec.defaults());

    static final String AESTHETIC = "aesthetic";
    static final String DIVERSITY = "diversity";
    static final String ORIGINAL = "original";
    static final String GENERAL = "general";
    static final String FACES = "faces";

    static ScoreWeights of(EvaluationSpec evaluation) {
        ScoreWeightsSpec weights = evaluation.weights();
        return weights == null ? DEFAULT : new ScoreWeights(weights);
    }

    /** Weights by the names of shares, of those that weigh something. */
    private Map<String, Double> weights() {
        Map<String, Double> all = new LinkedHashMap<>();
        put(all, "learned", spec.learned());
        put(all, "kept", spec.kept());
        put(all, AESTHETIC, spec.aesthetic());
        put(all, DIVERSITY, spec.diversity());
        put(all, ORIGINAL, spec.original());
        put(all, GENERAL, spec.general());
        put(all, FACES, spec.faces());
        return all;
    }

    private static void put(Map<String, Double> all, String name, double weight) {
        if (weight > 0) {
            all.put(name, weight);
        }
    }

    /** Whether a share other than learned and kept counts. */
    boolean needsMore() {
        return weights().keySet().stream().anyMatch(name -> !name.equals("learned") && !name.equals("kept"));
    }

    /**
     * The score.
     *
     * @param more shares beside learned and kept; one that couldn't be measured counts nothing
     */
    double of(Score parts, Map<String, Double> more) {
        double weights = 0;
        double sum = 0;
        for (Map.Entry<String, Double> weight : weights().entrySet()) {
            Double share = share(weight.getKey(), parts, more);
            if (share == null || share.isNaN()) {
                continue;
            }
            if (share <= 0) {
                return 0;
            }
            weights += weight.getValue();
            sum += weight.getValue() / share;
        }
        return weights == 0 ? 0 : weights / sum;
    }

    private static @Nullable Double share(String name, Score parts, Map<String, Double> more) {
        return switch (name) {
            case "learned" -> Double.valueOf(parts.learned());
            case "kept" -> Double.valueOf(parts.kept());
            default -> more.get(name);
        };
    }
}
