package training.lora.trainer.train.batch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.TorchScript;

/**
 * Normal noise on the embeddings of a prompt's tokens, all but those of the first and the last two, as Eden's trainer has it in
 * store. B prompts, S tokens of width D.
 *
 * @param deviation of each number
 * @param seed what is drawn follows from it
 */
public record PromptNoise(double deviation, long seed) {
    /** Tokens at the beginning and at the end that have none. */
    private static final int FIRST = 1;

    private static final int LAST = 2;

    private static final TorchScript ADD = TorchScript.compile("c, n, k", """
            e = torch.add(torch.size(n, 1), %d)
            r = torch.clone(c)
            _0 = torch.add_(torch.slice(r, 1, %d, e), torch.mul(n, k))
            return r
            """.formatted(FIRST, FIRST));

    /** {@code context} (B, S, D), fp32, with noise, in {@code scope}. */
    public NDArray on(NDArray context, NDManager scope) {
        Shape all = context.getShape();
        Shape noised = new Shape(all.get(0), Math.max(0, all.get(1) - FIRST - LAST), all.get(2));
        try (NDArray noise = Randomness.normal(scope, seed, noised);
                NDArray k = scope.create((float) deviation)) {
            return ADD.call(scope, context, noise, k);
        }
    }
}
