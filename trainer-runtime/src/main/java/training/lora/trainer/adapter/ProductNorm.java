package training.lora.trainer.adapter;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import training.lora.trainer.tensor.TorchScript;

/** Frobenius norm of B A, the product of two factors, which is far larger than they are. */
final class ProductNorm {
    /** Its square is the trace of (B^T B)(A A^T), which are only (rank, rank). */
    private static final TorchScript SQUARE = TorchScript.compile("a, b", """
            d = torch.to(torch.mm(a, torch.t(a)), 7)
            u = torch.to(torch.mm(torch.t(b), b), 7)
            return torch.sum(torch.mul(d, u))
            """);

    private ProductNorm() {}

    /**
     * The square of the norm in fp64, without dimensions, in {@code scope}; rounding may leave a little less than nothing.
     *
     * @param a A (rank, in)
     * @param b B (out, rank)
     */
    static NDArray square(NDManager scope, NDArray a, NDArray b) {
        return SQUARE.call(scope, a, b);
    }
}
