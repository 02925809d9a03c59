package training.lora.trainer.merge;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import java.util.List;
import training.lora.trainer.tensor.TorchScript;

/**
 * The best product of a given rank for a matrix (Eckart and Young 1936), in fp64.
 *
 * @param down A (rank, in), fp32
 * @param up B (out, rank), fp32
 * @param kept share of the squares of the singular values that it has
 */
record SingularProduct(NDArray down, NDArray up, double kept) {
    /** Of B A without making it: by the QR of either factor and the SVD of the small product of the triangles. */
    private static final TorchScript OF_FACTORS = TorchScript.compile(
            List.of("a", "b"),
            List.of(
                    "p, r = torch.linalg_qr(torch.to(torch.t(a), 7), \"reduced\")",
                    "q, s = torch.linalg_qr(torch.to(b, 7), \"reduced\")",
                    "u, v, w = torch.linalg_svd(torch.mm(s, torch.t(r)), False)",
                    "return (torch.mm(q, u), v, torch.mm(w, torch.t(p)))"),
            3);

    /** Of a matrix (o, n), o not above n, by the eigenvectors of its Gram matrix, the greatest value first. */
    private static final TorchScript OF_MATRIX = TorchScript.compile(
            List.of("d"),
            List.of(
                    "x = torch.to(d, 7)",
                    "l, q = torch.linalg_eigh(torch.mm(x, torch.t(x)), \"L\")",
                    "u = torch.flip(q, [1])",
                    "v = torch.sqrt(torch.clamp_min(torch.flip(l, [0]), 0.))",
                    "return (u, v, torch.mm(torch.t(u), x))"),
            3);

    /** That of scale B A. */
    static SingularProduct of(NDArray down, NDArray up, double scale, Ranks ranks, NDManager scope) {
        NDList parts = OF_FACTORS.callAll(scope, down, up);
        NDArray values = parts.get(1).mul(scale);
        double[] singular = values.abs().toDoubleArray();
        int kept = ranks.of(singular);
        NDArray left =
                parts.get(0).get(":, :" + kept).mul(values.get(":" + kept).reshape(1, kept));
        return new SingularProduct(
                parts.get(2).get(":" + kept).toType(DataType.FLOAT32, true),
                left.toType(DataType.FLOAT32, true),
                share(singular, kept));
    }

    /** That of {@code matrix} (out, in). */
    static SingularProduct of(NDArray matrix, Ranks ranks, NDManager scope) {
        boolean wide = matrix.getShape().get(0) <= matrix.getShape().get(1);
        NDList parts = OF_MATRIX.callAll(scope, wide ? matrix : matrix.transpose());
        double[] singular = parts.get(1).toDoubleArray();
        int kept = ranks.of(singular);
        NDArray left = parts.get(0).get(":, :" + kept);
        NDArray right = parts.get(2).get(":" + kept);
        return new SingularProduct(
                (wide ? right : left.transpose()).toType(DataType.FLOAT32, true),
                (wide ? left : right.transpose()).toType(DataType.FLOAT32, true),
                share(singular, kept));
    }

    private static double share(double[] singular, int kept) {
        double all = 0;
        double sum = 0;
        for (int i = 0; i < singular.length; i++) {
            all += singular[i] * singular[i];
            sum += i < kept ? singular[i] * singular[i] : 0;
        }
        return all == 0 ? 1 : sum / all;
    }
}
