package training.lora.trainer.model.layer;

import ai.djl.ndarray.NDArray;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.layer.kernel.DeltaForm;

/** What an adapter puts beside one projection: its arrays, what their gradients are added to, and its form. */
public sealed interface Delta permits Delta.LowRank, Delta.Dora, Delta.Hadamard, Delta.Kronecker {
    /** The arrays that native functions are given, in the order of the form's {@code DeltaText.arrays}. */
    List<NDArray> arrays();

    /** What the gradients are added to, in the order of the form's {@code DeltaText.gradients}; empty where nothing is trained. */
    List<NDArray> gradients();

    /** What of it is written into texts. */
    DeltaForm form();

    /**
     * The same with {@code strength} times the change of the weight, without gradients.
     *
     * @throws UnsupportedOperationException with DoRA, whose change is in no proportion to anything
     */
    Delta scaled(double strength);

    /**
     * LoRA: y += scale * B A x.
     *
     * @param down A, shape (rank, in), or (rank, in k k) beside a convolution
     * @param up B, shape (out, rank)
     * @param scale of B A x
     * @param dropout share of the entries of x, from 0 and below 1, that a recorded pass hides from the delta
     * @param mask what A x of each sample is multiplied by, shape (samples, rank), fp32; null for nothing
     * @param gradients what those of A and B are added to
     */
    record LowRank(
            NDArray down,
            NDArray up,
            double scale,
            double dropout,
            @Nullable NDArray mask,
            List<NDArray> gradients) implements Delta {
        public LowRank {
            gradients = List.copyOf(gradients);
        }

        /** With all ranks of every sample. */
        public LowRank(NDArray down, NDArray up, double scale, double dropout, List<NDArray> gradients) {
            this(down, up, scale, dropout, null, gradients);
        }

        /** The same with another mask. */
        public LowRank masked(NDArray other) {
            return new LowRank(down, up, scale, dropout, other, gradients);
        }

        /** Factors that are not trained. */
        public LowRank(NDArray down, NDArray up, double scale) {
            this(down, up, scale, 0, List.of());
        }

        @Override
        public List<NDArray> arrays() {
            return mask == null ? List.of(down, up) : List.of(down, up, mask);
        }

        @Override
        public DeltaForm form() {
            return new DeltaForm.LowRank(scale, dropout, mask != null);
        }

        @Override
        public LowRank scaled(double strength) {
            return new LowRank(down, up, strength * scale, 0, mask, List.of());
        }
    }

    /**
     * DoRA on the output axis: y = m / |W + scale * B A| (W x + scale * B A x) + bias, the norm one of each output's row.
     *
     * @param product scale * B A
     * @param magnitude m, shape (out)
     * @param squares of the norms of W's rows, shape (out), fp32
     * @param gradients what those of A, B and m are added to
     */
    record Dora(LowRank product, NDArray magnitude, NDArray squares, List<NDArray> gradients) implements Delta {
        public Dora {
            gradients = List.copyOf(gradients);
        }

        @Override
        public List<NDArray> arrays() {
            return List.of(product.down(), product.up(), magnitude, squares);
        }

        @Override
        public DeltaForm form() {
            return new DeltaForm.Dora(new DeltaForm.LowRank(product.scale(), product.dropout(), false));
        }

        @Override
        public Delta scaled(double strength) {
            throw new UnsupportedOperationException("a DoRA has no strength");
        }
    }

    /**
     * LoHa: y += scale * ((a b) o (c d)) x, the product of each entry.
     *
     * @param arrays a (out, rank), b (rank, in) or (rank, in k k) beside a convolution, c as a, d as b
     * @param scale of what is added
     * @param gradients what those of the arrays are added to, in their order
     */
    record Hadamard(List<NDArray> arrays, double scale, List<NDArray> gradients) implements Delta {
        public Hadamard {
            arrays = List.copyOf(arrays);
            gradients = List.copyOf(gradients);
        }

        @Override
        public DeltaForm form() {
            return new DeltaForm.Hadamard(scale);
        }

        @Override
        public Hadamard scaled(double strength) {
            return new Hadamard(arrays, strength * scale, List.of());
        }
    }

    /**
     * LoKr: y += scale * kron(w1, w2) x.
     *
     * @param arrays w1 (L, M) or its factors (L, r) and (r, M); w2 (K, N), or (K, N k k) beside a convolution, or its factors
     * @param gradients what those of the arrays are added to, in their order
     */
    record Kronecker(List<NDArray> arrays, DeltaForm.Kronecker form, List<NDArray> gradients) implements Delta {
        public Kronecker {
            arrays = List.copyOf(arrays);
            gradients = List.copyOf(gradients);
        }

        @Override
        public Kronecker scaled(double strength) {
            return new Kronecker(arrays, form.scaled(strength), List.of());
        }
    }
}
