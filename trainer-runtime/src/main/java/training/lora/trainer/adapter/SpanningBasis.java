package training.lora.trainer.adapter;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import java.util.List;
import training.lora.trainer.tensor.TorchScript;

/**
 * The span of what a text encoder has for names (Celeb Basis, Yuan et al. 2023): of the embeddings e_1 ... e_m (D) of their
 * tokens at one place, v = mean + sum_k w_k b_k, with mean = sum_i e_i / m, the first K principal components b_k of the e_i, which
 * are orthonormal, and any coefficients w_k. What lies in it goes on to be read as a name.
 *
 * @param mean (1, D), fp32
 * @param components b_k, (K, D), fp32
 * @param deviations e_i - mean, (m, D), fp32
 */
public record SpanningBasis(NDArray mean, NDArray components, NDArray deviations) {
    /** A singular value with a smaller share of the greatest is a sum that is 0 but for rounding. */
    private static final double LEAST_SHARE = 1e-6;

    private static final TorchScript COMPONENTS = TorchScript.compile(
            List.of("e"),
            List.of(
                    "x = torch.to(e, 7)",
                    "m = torch.mean(x, [0], True)",
                    "c = torch.sub(x, m)",
                    "u, s, v = torch.linalg_svd(c, False)",
                    "return (m, c, s, v)"),
            4);

    private static final TorchScript NEAREST = TorchScript.compile("e, m, b", """
            d = torch.sub(e, m)
            return torch.add(torch.mm(torch.mm(d, torch.t(b)), b), m)
            """);

    private static final TorchScript MIXED = TorchScript.compile("g, m, b, c", """
            d = torch.div(torch.mm(g, c), torch.sqrt(torch.sub(torch.size(c, 0), 1)))
            return torch.add(torch.mm(torch.mm(d, torch.t(b)), b), m)
            """);

    /**
     * That of some embeddings.
     *
     * @param embeddings of m different tokens (m, D), fp32, on the CPU
     * @param most the most components, of which there may be fewer
     */
    static SpanningBasis of(NDArray embeddings, int most, NDManager manager) {
        try (NDManager scratch = manager.newSubManager(Device.cpu())) {
            NDList parts = COMPONENTS.callAll(scratch, embeddings);
            double[] spread = parts.get(2).toDoubleArray();
            int kept = 0;
            while (kept < Math.min(spread.length, most) && spread[kept] > LEAST_SHARE * spread[0]) {
                kept++;
            }
            return new SpanningBasis(
                    own(parts.get(0), manager), own(parts.get(3).get(":" + kept), manager), own(parts.get(1), manager));
        }
    }

    private static NDArray own(NDArray values, NDManager manager) {
        NDArray own = values.toType(DataType.FLOAT32, true).toDevice(manager.getDevice(), true);
        own.attach(manager);
        return own;
    }

    /** What is in the span and nearest to each of {@code embeddings} (n, D), in {@code scope}. */
    public NDArray nearest(NDArray embeddings, NDManager scope) {
        return NEAREST.call(scope, embeddings, mean, components);
    }

    /**
     * Members of the span, (n, D), in {@code scope}: mean + sum_k b_k b_k^T sum_i g_i (e_i - mean) / sqrt(m - 1). Of g from N(0, 1)
     * they have the covariance that the embeddings have in the span. It doesn't depend on the components' signs, which a
     * decomposition leaves open, and of equal g two text encoders mix the same names.
     *
     * @param draws g, (n, m)
     */
    public NDArray mixed(NDArray draws, NDManager scope) {
        return MIXED.call(scope, draws, mean, components, deviations);
    }
}
