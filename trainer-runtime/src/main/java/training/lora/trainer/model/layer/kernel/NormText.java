package training.lora.trainer.model.layer.kernel;

import java.util.Map;
import training.lora.trainer.tensor.Template;

/**
 * TorchScript of the norms of an adapted weight's rows, |W + s B A|, without making B A, which is as large as W: |W|^2 + 2 s
 * rowsum((W A^T) o B) + s^2 rowsum((B A A^T) o B). W (O, n), A (r, n), B (O, r). Names are {@link DoraText}'s; {@code normi_w}
 * (O, r) is W A^T and {@code normi_a} (O, r) B A A^T.
 */
public final class NormText {
    /** Under the root: a row of zeros has a norm that can be divided by. */
    public static final double LEAST = 1e-24;

    /** Makes {@code norm} (O) of {@code a}, {@code b}, the weight and {@code sq}, its rows' squares. */
    private static final String NORM = """
            norm{i}_w = torch.to(torch.mm({weight}, torch.t(torch.type_as({a}, w{i}))), 6)
            norm{i}_a = torch.mm(b{i}, torch.mm(a{i}, torch.t(a{i})))
            norm{i}_s = torch.sum(torch.mul(b{i}, torch.add(torch.mul(norm{i}_w, {twice}), norm{i}_a, alpha={square})), [1])
            norm{i} = torch.sqrt(torch.clamp_min(torch.add(sq{i}, norm{i}_s), {least}))
            """;

    private NormText() {}

    /** Makes {@code normi} (O) of the arrays that a {@link DoraText} names. */
    static String lines(FrozenText map, double scale) {
        return Template.fill(
                NORM,
                Map.of(
                        "i",
                        map.i(),
                        "weight",
                        map.rows("w" + map.i()),
                        "a",
                        map.rowsOfA("a" + map.i()),
                        "twice",
                        2 * scale,
                        "square",
                        scale * scale,
                        "least",
                        LEAST));
    }

    /** The same of {@code norm0} beside a linear map w0. */
    public static String ofLinear(double scale) {
        return lines(new LinearText(0, "x"), scale);
    }

    /** The same beside a convolution w0. */
    public static String ofConvolution(long in, long out, int kernel, double scale) {
        return lines(new ConvolutionText(0, "x", in, out, kernel, 1), scale);
    }
}
