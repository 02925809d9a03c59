package training.lora.trainer.model.layer.kernel;

/**
 * TorchScript of a projection's frozen map, forward and backward. The projection's number i makes the names: {@code wi} is
 * the weight, {@code yi} the result.
 */
sealed interface FrozenText permits LinearText, ConvolutionText {
    /** Number of the projection in its layer. */
    int i();

    /** Name of what it is applied to. */
    String source();

    /** Makes {@code yi} of the source; {@code bias} is a name or empty. */
    String forward(String bias);

    /** Makes the source's gradient {@code ds} of the result's, {@code dy}. */
    String sourceGradient(String ds, String dy);

    /** Adds the source's gradient to {@code ds}. */
    default String addSourceGradient(String ds, String dy) {
        String own = ds + "_" + i();
        return sourceGradient(own, dy) + "%1$s_a%2$d = torch.add_(%1$s, %3$s)\n".formatted(ds, i(), own);
    }

    /** The weight {@code w} as rows, one of each output. */
    String rows(String w);

    /** A of a low-rank delta beside it, with columns in the order of {@link #rows}. */
    String rowsOfA(String a);

    /** A number of each output, {@code x} (out), to be combined with the result. */
    String across(String x);

    /** The result's dimensions but that of outputs. */
    String dimensionsOfAnOutput();

    /** The text of a low-rank delta beside it. */
    LowRankText lowRank(DeltaForm.LowRank form);

    /** The text of a LoHa beside it. */
    HadamardText hadamard(DeltaForm.Hadamard form);

    /** The text of a LoKr beside it. */
    KroneckerText kronecker(DeltaForm.Kronecker form);
}
