package training.lora.trainer.adapter;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import training.lora.api.AdapterOverrideSpec;
import training.lora.api.AdapterSpec;
import training.lora.trainer.TrainerException;
import training.lora.trainer.model.layer.Projection;

/** What learning rates of some of an adapter's targets are multiplied by. */
public final class RateFactors {
    private RateFactors() {}

    /**
     * The factors that overrides give; the last that matches a projection counts.
     *
     * @param adapted the adapter's projections
     * @throws TrainerException InvalidConfiguration if an override with a factor names none of them
     */
    public static Map<Projection, Double> of(AdapterSpec spec, List<Projection> adapted) {
        Map<Projection, Double> factors = new HashMap<>();
        for (int i = 0; i < spec.overrides().size(); i++) {
            AdapterOverrideSpec override = spec.overrides().get(i);
            if (override.learningRateFactor() != null) {
                String field = "spec.training.adapter.overrides[%d].target".formatted(i);
                for (Projection projection : new Target(field, override.target()).matches(adapted)) {
                    factors.put(projection, override.learningRateFactor());
                }
            }
        }
        return factors;
    }
}
