package training.lora.trainer.train.optimizer;

import java.util.ArrayList;
import java.util.List;
import training.lora.api.OptimizerSpec;
import training.lora.api.TrainingSpec;
import training.lora.trainer.adapter.AdaptedProjection;
import training.lora.trainer.adapter.AdapterPart;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.model.layer.Component;

/** What lies in an adapter's array of parameters, and how a spec has it moved. */
public final class AdapterTable {
    private AdapterTable() {}

    /** The tensors of {@code adapter} with as few groups as there are ways to move: equal rates make one group. */
    public static ParameterTable of(LoraAdapter adapter, TrainingSpec training) {
        List<ParameterTensor> tensors = new ArrayList<>();
        List<ParameterGroup> groups = new ArrayList<>();
        for (AdaptedProjection p : adapter.projections()) {
            for (AdapterPart part : p.kind().parts()) {
                ParameterGroup group = group(p, training.optimizer());
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

    private static ParameterGroup group(AdaptedProjection p, OptimizerSpec settings) {
        boolean text = p.projection().component() != Component.UNet;
        return ParameterGroupBuilder.builder(ParameterGroup.of(settings))
                .factor(text ? settings.textEncoderFactor() : 1)
                .build();
    }
}
