package training.lora.trainer.adapter;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import training.lora.trainer.tensor.ComputeDevice;
import training.lora.trainer.tensor.LazyTensor;

/**
 * An adapted module as files hold it; its values are read when they are asked for.
 *
 * @param form what it is
 * @param down in fp32
 * @param up in fp32
 */
public record AdapterModule(ModuleForm form, LazyTensor down, LazyTensor up) {
    public AdapterModule {
        if (!form.downShape().equals(down.shape()) || !form.upShape().equals(up.shape())) {
            throw new IllegalArgumentException("%s must have the shapes %s and %s, but has %s and %s"
                    .formatted(form.path(), form.downShape(), form.upShape(), down.shape(), up.shape()));
        }
    }

    /** Frobenius norm of dW, scale included. */
    public double norm() {
        try (NDManager scope = ComputeDevice.CPU.newManager()) {
            int r = form.rank();
            NDArray a = down.as(DataType.FLOAT64).in(scope).reshape(new Shape(r, -1)); // (r, in)
            NDArray b = up.as(DataType.FLOAT64).in(scope).reshape(new Shape(-1, r)); // (out, r)
            double square = ProductNorm.square(scope, a, b).getDouble();
            return form.scale() * Math.sqrt(Math.max(0, square));
        }
    }
}
