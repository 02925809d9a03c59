package training.lora.trainer.adapter;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import training.lora.trainer.tensor.TorchScript;

/**
 * How the embeddings of a vocabulary are spread.
 *
 * @param meanDeviation mean, over the vocabulary, of the standard deviation of an embedding's entries (divisor D - 1)
 * @param deviationVariance variance of these deviations (divisor V - 1)
 */
public record TokenStatistics(double meanDeviation, double deviationVariance) {
    private static final TorchScript SPREAD = TorchScript.compile("e", """
            d = torch.std(torch.to(e, 6), [1], True, False)
            return torch.stack([torch.mean(torch.to(d, 7)), torch.var(torch.to(d, 7), [0], True, False)])
            """);

    /** Of a table (V, D). */
    public static TokenStatistics of(NDArray table) {
        try (NDManager scope = table.getManager().newSubManager();
                NDArray both = SPREAD.call(scope, table)) {
            double[] values = both.toDoubleArray();
            return new TokenStatistics(values[0], values[1]);
        }
    }
}
