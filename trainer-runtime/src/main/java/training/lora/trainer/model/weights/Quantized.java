package training.lora.trainer.model.weights;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import training.lora.api.BaseWeights;
import training.lora.trainer.tensor.Template;
import training.lora.trainer.tensor.TorchScript;

/**
 * Weights in a byte each, symmetric, with a scale of each output: W (O, ...) is q s with q = W / s rounded to the form's
 * numbers, s (O, 1, ...) = max |W| of the output's row / the form's greatest, in the precision that is computed in. In int8
 * (whole numbers to 127) no entry is off by more than s / 2, in fp8 (e4m3fn, to 448; Micikevicius et al. 2022) by more than
 * 1/16 of itself or s / 1024, and by the rounding of s and of the product.
 */
final class Quantized {
    /** Of a row of zeros, whose q are zeros too. */
    private static final String LEAST_SCALE = "1.e-30";

    /** Numbers that are worked on at once, so that a model is read with little more memory than its weights take. */
    private static final int TILE = 1 << 20;

    private static final String QUANTIZE = """
            q = torch.empty_like(w, dtype={narrow}, memory_format={format})
            s = torch.empty({scales}, dtype={type}, layout=None, device=ops.prim.device(w))
            for i in range({tiles}):
             i0 = torch.mul(i, {rows})
             i1 = torch.add(i0, {rows})
             f = torch.slice(w, 0, i0, i1)
             m = torch.amax(torch.abs(f), {row}, True)
             t = torch.copy_(torch.slice(s, 0, i0, i1), torch.clamp_min(torch.div(m, {greatest}), {least}))
             n = torch.clamp_({rounded}, -{greatest}, {greatest})
             _0 = torch.copy_(torch.slice(q, 0, i0, i1), n)
            return (q, s)
            """;

    private Quantized() {}

    /**
     * A line that makes the weight {@code name} in its precision.
     *
     * @param q name of its values in a byte each
     * @param s name of their scales
     */
    static String line(String name, String q, String s) {
        return "%1$s = torch.mul_(torch.type_as(%2$s, %3$s), %3$s)".formatted(name, q, s);
    }

    /**
     * q, and s behind it, of a weight.
     *
     * @param weight (O, n) or (O, n, k, k), fp32
     * @param form of q, not Full
     * @param type number of the precision's type in libtorch
     * @param format number of the order in memory there
     */
    static NDList quantized(NDArray weight, BaseWeights form, String type, String format, NDManager manager) {
        Shape shape = weight.getShape();
        long outputs = shape.get(0);
        long rows = Math.max(1, TILE / (shape.size() / outputs));
        boolean linear = shape.dimension() == 2;
        Map<String, Object> values = new HashMap<>(numbers(form));
        values.put("scales", linear ? "[%d, 1]".formatted(outputs) : "[%d, 1, 1, 1]".formatted(outputs));
        values.put("row", linear ? "[1]" : "[1, 2, 3]");
        values.put("rows", rows);
        values.put("tiles", (outputs + rows - 1) / rows);
        values.put("least", LEAST_SCALE);
        values.put("type", type);
        values.put("format", format);
        String body = Template.fill(QUANTIZE, values);
        return TorchScript.compile(List.of("w"), body.strip().lines().toList(), 2)
                .callAll(manager, weight);
    }

    /** The type in libtorch of a form's numbers, the greatest of them, and how W / s becomes one before it is converted. */
    private static Map<String, String> numbers(BaseWeights form) {
        return switch (form) {
            case Full -> throw new IllegalArgumentException("weights in full must not be quantized");
            case Int8 ->
                Map.of("narrow", "1", "greatest", "127.", "rounded", "torch.round_(torch.div(f, torch.to(t, 6)))");
            // The conversion rounds to the nearest, and makes NaN of what is too great.
            case Fp8 -> Map.of("narrow", "24", "greatest", "448.", "rounded", "torch.div(f, torch.to(t, 6))");
        };
    }

    /** The weight of q and s, in {@code scope}. */
    static NDArray values(List<NDArray> quantized, NDManager scope) {
        return TorchScript.compile("q, s", line("w", "q", "s") + "\nreturn w")
                .call(scope, quantized.get(0), quantized.get(1));
    }
}
