package training.lora.trainer.model.layer.kernel;

/** What of a delta is written into the text of a native function; its numbers come as arguments. */
public sealed interface DeltaForm
        permits DeltaForm.None, DeltaForm.LowRank, DeltaForm.Dora, DeltaForm.Hadamard, DeltaForm.Kronecker {
    /** No delta. */
    DeltaForm NONE = new None();

    /** Share of the entries of x that training hides from the delta. */
    default double dropout() {
        return 0;
    }

    /**
     * Its text beside {@code map}.
     *
     * @param remade whether the layer makes the result again on the way back
     */
    DeltaText beside(FrozenText map, boolean remade);

    /** That of a projection without a delta. */
    record None() implements DeltaForm {
        @Override
        public DeltaText beside(FrozenText map, boolean remade) {
            return DeltaText.NONE;
        }
    }

    /**
     * That of a low-rank delta.
     *
     * @param scale of B A x
     * @param masked whether A x of each sample is multiplied by numbers of its ranks
     */
    record LowRank(double scale, double dropout, boolean masked) implements DeltaForm {
        @Override
        public DeltaText beside(FrozenText map, boolean remade) {
            return map.lowRank(this);
        }
    }

    /** That of a {@link Delta.Dora}. */
    record Dora(LowRank product) implements DeltaForm {
        @Override
        public double dropout() {
            return product.dropout();
        }

        @Override
        public DeltaText beside(FrozenText map, boolean remade) {
            return new DoraText(map, map.lowRank(product), remade);
        }
    }

    /**
     * That of a LoHa.
     *
     * @param scale of what is added
     */
    record Hadamard(double scale) implements DeltaForm {
        @Override
        public DeltaText beside(FrozenText map, boolean remade) {
            return map.hadamard(this);
        }
    }

    /**
     * That of a LoKr, out = L K and in = M N.
     *
     * @param scale of what is added
     * @param columns of w2 as rows: N, or N k k beside a convolution
     * @param firstFactored whether w1 (L, M) is a product of two factors
     * @param secondFactored whether w2 (K, N) is
     */
    record Kronecker(double scale, long l, long m, long k, long columns, boolean firstFactored, boolean secondFactored)
            implements DeltaForm {
        @Override
        public DeltaText beside(FrozenText map, boolean remade) {
            return map.kronecker(this);
        }

        /** The same with {@code strength} times the change of the weight. */
        public Kronecker scaled(double strength) {
            return new Kronecker(strength * scale, l, m, k, columns, firstFactored, secondFactored);
        }
    }
}
