package training.lora.trainer.model.weights;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.List;
import java.util.Map;
import training.lora.trainer.tensor.Template;
import training.lora.trainer.tensor.TorchScript;

/**
 * Weights in int8, symmetric, with a scale of each output: W (O, ...) is q s with q = round(W / s) within -127 to 127, s (O,
 * 1, ...) = max |W| / 127 of the output's row, in the precision that is computed in. No entry is off by more than s / 2 and
 * the rounding of s and of the product.
 */
final class Int8 {
    /** Of a row of zeros, whose q are zeros too. */
    private static final String LEAST_SCALE = "1.e-30";

    /** Numbers that are worked on at once, so that a model is read with little more memory than its weights take. */
    private static final int TILE = 1 << 20;

    private static final String QUANTIZE = """
            q = torch.empty_like(w, dtype=1, memory_format={format})
            s = torch.empty({scales}, dtype={type}, layout=None, device=ops.prim.device(w))
            for i in range({tiles}):
             i0 = torch.mul(i, {rows})
             i1 = torch.add(i0, {rows})
             f = torch.slice(w, 0, i0, i1)
             m = torch.amax(torch.abs(f), {row}, True)
             t = torch.copy_(torch.slice(s, 0, i0, i1), torch.clamp_min(torch.div(m, 127.), {least}))
             n = torch.clamp_(torch.round_(torch.div(f, torch.to(t, 6))), -127., 127.)
             _0 = torch.copy_(torch.slice(q, 0, i0, i1), n)
            return (q, s)
            """;

    private Int8() {}

    /**
     * A line that makes the weight {@code name} in its precision.
     *
     * @param q name of its values in int8
     * @param s name of their scales
     */
    static String line(String name, String q, String s) {
        return "%1$s = torch.mul_(torch.type_as(%2$s, %3$s), %3$s)".formatted(name, q, s);
    }

    /**
     * q, and s behind it, of a weight.
     *
     * @param weight (O, n) or (O, n, k, k), fp32
     * @param type number of the precision's type in libtorch
     * @param format number of the order in memory there
     */
    static NDList quantized(NDArray weight, String type, String format, NDManager manager) {
        Shape shape = weight.getShape();
        long outputs = shape.get(0);
        long rows = Math.max(1, TILE / (shape.size() / outputs));
        boolean linear = shape.dimension() == 2;
        String body = Template.fill(
                QUANTIZE,
                Map.of(
                        "scales",
                        linear ? "[%d, 1]".formatted(outputs) : "[%d, 1, 1, 1]".formatted(outputs),
                        "row",
                        linear ? "[1]" : "[1, 2, 3]",
                        "rows",
                        rows,
                        "tiles",
                        (outputs + rows - 1) / rows,
                        "least",
                        LEAST_SCALE,
                        "type",
                        type,
                        "format",
                        format));
        return TorchScript.compile(List.of("w"), body.strip().lines().toList(), 2)
                .callAll(manager, weight);
    }

    /** The weight of q and s, in {@code scope}. */
    static NDArray values(List<NDArray> quantized, NDManager scope) {
        return TorchScript.compile("q, s", line("w", "q", "s") + "\nreturn w")
                .call(scope, quantized.get(0), quantized.get(1));
    }
}
