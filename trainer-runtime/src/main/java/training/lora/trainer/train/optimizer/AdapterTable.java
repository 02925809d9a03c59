package training.lora.trainer.train.optimizer;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import training.lora.api.OptimizerSpec;
import training.lora.api.TrainingSpec;
import training.lora.trainer.adapter.AdaptedProjection;
import training.lora.trainer.adapter.AdapterPart;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.RateFactors;
import training.lora.trainer.model.layer.Projection;

/** What lies in an adapter's array of parameters, and how a spec has it moved. */
public final class AdapterTable {
    private AdapterTable() {}

    /** The tensors of {@code adapter} with as few groups as there are ways to move: equal rates make one group. */
    public static ParameterTable of(LoraAdapter adapter, TrainingSpec training) {
        List<ParameterTensor> tensors = new ArrayList<>();
        List<ParameterGroup> groups = new ArrayList<>();
        Map<Projection, Double> factors = RateFactors.of(
                training.adapter(),
                adapter.projections().stream()
                        .map(AdaptedProjection::projection)
                        .toList());
        for (AdaptedProjection p : adapter.projections()) {
            for (AdapterPart part : p.kind().parts()) {
                double factor = factors.getOrDefault(p.projection(), 1.0)
                        * (part == AdapterPart.Up ? training.optimizer().upFactor() : 1);
                ParameterGroup group = group(p, factor, training.optimizer());
                if (!groups.contains(group)) {
                    groups.add(group);
                }
                tensors.add(new ParameterTensor(
                        p.projection().path() + "." + part,
                        p.offset(part),
                        p.kind().shape(part, p.projection()),
                        groups.indexOf(group)));
            }
        }
        return new ParameterTable(tensors, groups);
    }

    private static ParameterGroup group(AdaptedProjection p, double factor, OptimizerSpec settings) {
        ParameterGroup group = ParameterGroup.of(settings, p.projection().component());
        return ParameterGroupBuilder.builder(group)
                .factor(factor * group.factor())
                .build();
    }
}
