package training.lora.trainer.adapter;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import training.lora.trainer.tensor.ComputeDevice;
import training.lora.trainer.tensor.LazyTensor;

/**
 * An adapted module as files hold it; its values are read when they are asked for.
 *
 * @param form what it is
 * @param values of the kind's parts, in fp32
 */
public record AdapterModule(ModuleForm form, Map<AdapterPart, LazyTensor> values) {
    public AdapterModule {
        values = Map.copyOf(values);
        for (AdapterPart part : form.kind().parts()) {
            LazyTensor value = values.get(part);
            if (value == null || !value.shape().equals(form.shape(part))) {
                throw new IllegalArgumentException("%s must have a %s of shape %s, but it is %s"
                        .formatted(form.path(), part, form.shape(part), value == null ? null : value.shape()));
            }
        }
    }

    /** A part that its kind has. */
    public LazyTensor value(AdapterPart part) {
        return Objects.requireNonNull(values.get(part), part::name);
    }

    /** Frobenius norm of its product, scale included. */
    public double norm() {
        try (NDManager scope = ComputeDevice.CPU.newManager()) {
            Map<AdapterPart, NDArray> parts = new EnumMap<>(AdapterPart.class);
            for (AdapterPart part : form.kind().parts()) {
                NDArray value = value(part).as(DataType.FLOAT64).in(scope);
                parts.put(part, value.reshape(new Shape(value.getShape().get(0), -1)));
            }
            double square = form.kind().productSquare(scope, parts).getDouble();
            return form.scale() * Math.sqrt(Math.max(0, square));
        }
    }
}
