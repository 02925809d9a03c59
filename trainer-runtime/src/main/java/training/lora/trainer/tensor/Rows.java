package training.lora.trainer.tensor;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;

/** Chosen rows of tensors. */
public final class Rows {
    private Rows() {}

    /** The {@code rows} of {@code all} (N, ...), in their order, as a tensor of its own in {@code scope}. */
    public static NDArray take(NDArray all, int[] rows, NDManager scope) {
        NDList parts = new NDList();
        for (int row : rows) {
            NDArray part = all.get(row);
            part.attach(scope);
            parts.add(part);
        }
        NDArray taken = NDArrays.stack(parts);
        taken.attach(scope);
        parts.close();
        return taken;
    }
}
