package training.lora.trainer.model.layer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.Map;
import training.lora.trainer.model.layer.kernel.NormText;
import training.lora.trainer.tensor.Template;
import training.lora.trainer.tensor.TorchScript;

/** Norms of a weight's rows, of what DoRA makes of it, and of the difference. W (O, n), A (r, n), B (O, r). */
public final class DoraNorm {
    private static final TorchScript SQUARES = TorchScript.compile("w", """
            r = torch.to(torch.reshape(w, [torch.size(w, 0), -1]), 6)
            return torch.sum(torch.mul(r, r), [1])
            """);

    private static final TorchScript FROZEN =
            TorchScript.compile("sq", "return torch.sqrt(torch.clamp_min(sq, %s))".formatted(NormText.LEAST));

    /** |(g - 1) W + g s B A|^2 for g = m / |W + s B A|, summed over rows, in fp64. */
    private static final String CHANGE = """
            g = torch.div(mag, norm0)
            f = torch.sub(g, 1.)
            x = torch.sum(torch.mul(b0, norm0_w), [1])
            y = torch.sum(torch.mul(b0, norm0_a), [1])
            c = torch.mul(torch.mul(f, f), sq0)
            d = torch.mul(torch.mul(f, g), torch.mul(x, {twice}))
            e = torch.mul(torch.mul(g, g), torch.mul(y, {square}))
            return torch.sum(torch.to(torch.add(torch.add(c, d), e), 7))
            """;

    private DoraNorm() {}

    /** The squares of the norms of a weight's rows, (O), fp32. */
    public static NDArray squares(NDArray weight, NDManager scope) {
        return SQUARES.call(scope, weight);
    }

    /** Norms of the rows of W, (O), fp32, as those of {@link #norms} are where B A is zero. */
    public static NDArray frozenNorms(NDArray weight, NDManager scope) {
        return FROZEN.call(scope, squares(weight, scope));
    }

    /**
     * Norms of the rows of W + s B A, (O), fp32.
     *
     * @param weight W, in its own shape
     * @param squares of its rows
     */
    public static NDArray norms(
            Projection projection, NDArray weight, NDArray squares, Delta.LowRank product, NDManager scope) {
        String body = lines(projection, product.scale()) + "return norm0\n";
        return TorchScript.compile("a0, b0, sq0, w0", body).call(scope, product.down(), product.up(), squares, weight);
    }

    /** The square of the Frobenius norm of what {@code delta} adds to its weight, in fp64, without dimensions. */
    public static NDArray changeSquare(Projection projection, NDArray weight, Delta.Dora delta, NDManager scope) {
        Delta.LowRank product = delta.product();
        double scale = product.scale();
        String body =
                lines(projection, scale) + Template.fill(CHANGE, Map.of("twice", 2 * scale, "square", scale * scale));
        return TorchScript.compile("a0, b0, mag, sq0, w0", body)
                .call(scope, product.down(), product.up(), delta.magnitude(), delta.squares(), weight);
    }

    private static String lines(Projection p, double scale) {
        return p.kernel() == 0 ? NormText.ofLinear(scale) : NormText.ofConvolution(p.in(), p.out(), p.kernel(), scale);
    }
}
