package training.lora.trainer.adapter;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.Map;
import training.lora.trainer.tensor.Template;
import training.lora.trainer.tensor.TorchScript;

/** Frobenius norms of adapters' products, most of which are far larger than their factors. */
final class ProductNorm {
    /** Its square is the trace of (B^T B)(A A^T), which are only (rank, rank). */
    private static final TorchScript SQUARE = TorchScript.compile("a, b", """
            d = torch.to(torch.mm(a, torch.t(a)), 7)
            u = torch.to(torch.mm(torch.t(b), b), 7)
            return torch.sum(torch.mul(d, u))
            """);

    private static final TorchScript WHOLE = TorchScript.compile("x", "return torch.sum(torch.pow(torch.to(x, 7), 2))");

    private static final TorchScript HADAMARD = TorchScript.compile("a, b, c, d", """
            w = torch.mul(torch.mm(torch.to(a, 6), torch.to(b, 6)), torch.mm(torch.to(c, 6), torch.to(d, 6)))
            return torch.sum(torch.pow(w, 2), dtype=7)
            """);

    /** With n = max(scale |B A|, m / 2): both factors times the root of min(n, m) / n. */
    private static final String LIMIT = """
            d = torch.to(torch.mm(a, torch.t(a)), 7)
            u = torch.to(torch.mm(torch.t(b), b), 7)
            n = torch.mul(torch.sqrt(torch.clamp_min(torch.sum(torch.mul(d, u)), 0.)), {scale})
            c = torch.clamp_min(n, {half})
            q = torch.to(torch.sqrt(torch.div(torch.clamp_max(c, {most}), c)), 6)
            _0 = torch.mul_(a, q)
            _1 = torch.mul_(b, q)
            return n
            """;

    private ProductNorm() {}

    /** Scales A and B down, in place, so that the norm of {@code scale} B A is at most {@code most}. */
    static void limit(NDManager scope, NDArray a, NDArray b, double scale, double most) {
        TorchScript.compile("a, b", Template.fill(LIMIT, Map.of("scale", scale, "half", most / 2, "most", most)))
                .call(scope, a, b);
    }

    /** The square of that of {@code x}, in fp64, without dimensions. */
    static NDArray square(NDManager scope, NDArray x) {
        return WHOLE.call(scope, x);
    }

    /** The square of that of (a b) o (c d), which is made for it, in fp64, without dimensions. */
    static NDArray hadamardSquare(NDManager scope, NDArray a, NDArray b, NDArray c, NDArray d) {
        return HADAMARD.call(scope, a, b, c, d);
    }

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
