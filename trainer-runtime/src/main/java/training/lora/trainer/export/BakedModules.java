package training.lora.trainer.export;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.List;
import java.util.Map;
import training.lora.trainer.adapter.AdapterModule;
import training.lora.trainer.adapter.AdapterPart;
import training.lora.trainer.adapter.FullDifference;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.LoraAdapter.Factors;
import training.lora.trainer.adapter.ModuleForm;
import training.lora.trainer.model.layer.FrozenWeights;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.TorchScript;

/**
 * Adapters as full differences of the weights that they stand beside, for readers that draw something else from the adapters
 * themselves: AUTOMATIC1111 divides a DoRA by the norms of columns. No low rank holds what DoRA adds, (g - 1) W + g s B A.
 */
public final class BakedModules {
    private static final TorchScript ROWS =
            TorchScript.compile("w", "return torch.contiguous(torch.reshape(torch.to(w, 6), [torch.size(w, 0), -1]))");

    private BakedModules() {}

    /** Where weights are read. */
    public interface Weights {
        /** The weight of {@code projection} as rows (out, fan in), fp32, on the CPU, of {@code scope}. */
        NDArray rows(Projection projection, NDManager scope);
    }

    /** Those of a model that is in memory. */
    static Weights of(FrozenWeights frozen) {
        return (projection, scope) -> {
            try (NDManager there = scope.newSubManager()) {
                NDArray rows = ROWS.call(there, frozen.of(projection, there)).toDevice(scope.getDevice(), true);
                rows.attach(scope);
                return rows;
            }
        };
    }

    /** The modules of {@code adapter}; each value is made when it is read, and equal each time. */
    static List<AdapterModule> of(LoraAdapter adapter, Weights weights) {
        return adapter.projections().stream()
                .map(p -> of(p.projection(), new Factors(p.kind(), adapter.values(p)), weights))
                .toList();
    }

    /** The module of {@code factors} beside {@code projection}. */
    public static AdapterModule of(Projection projection, Factors factors, Weights weights) {
        Shape shape = FullDifference.fileShape(projection);
        LazyTensor difference = new LazyTensor(shape, DataType.FLOAT32, scope -> {
            try (NDManager scratch = scope.newSubManager()) {
                NDArray change = factors.change(weights.rows(projection, scratch), scratch)
                        .reshape(shape);
                change.attach(scope);
                return change;
            }
        });
        return new AdapterModule(
                new ModuleForm(
                        projection.component(),
                        projection.modulePath(),
                        new FullDifference(),
                        Map.of(AdapterPart.Diff, shape)),
                Map.of(AdapterPart.Diff, difference));
    }
}
