package training.lora.trainer.train.optimizer;

import ai.djl.ndarray.NDArray;
import java.util.Map;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.Template;
import training.lora.trainer.tensor.TorchScript;

/**
 * Rounds fp32 numbers to ones that bf16 has: to one of the two neighbours, with a chance that makes the mean the number itself,
 * so that steps smaller than half the distance of neighbours are not lost (Zamirai et al. 2020, "Revisiting BFloat16
 * Training"). A number that bf16 has stays.
 */
final class StochasticRounding {
    /**
     * x (n) in place, a tile at a time: |x| = m 2^e with m from 1/2 to below 1, of which bf16 has the multiples of 2^-8; r has
     * 16 bits, as many as are cut off, so that nothing here is rounded itself. The distance of neighbours is x / (256 m).
     */
    private static final TorchScript ROUND =
            TorchScript.compile("x", Template.fill("""
            for i in range(torch.floordiv(torch.add(torch.size(x, 0), {short}), {tile})):
             i0 = torch.mul(i, {tile})
             i1 = torch.add(i0, {tile})
             xi = torch.slice(x, 0, i0, i1)
             m, e = torch.frexp(xi)
             r = torch.div_(torch.floor_(torch.mul_(torch.rand_like(xi), 65536.)), 65536.)
             q = torch.floor_(torch.add_(torch.mul(torch.abs(m), 256.), r))
             y = torch.mul_(torch.copysign(q, xi), torch.div(xi, torch.mul(m, 256.)))
             _0 = torch.copy_(xi, torch.where(torch.eq(xi, 0.), xi, y))
            return x
            """, Map.of("short", AdamW.TILE - 1, "tile", AdamW.TILE)));

    private StochasticRounding() {}

    /** Rounds {@code x} (n) in place, as a function of its numbers and {@code seed} alone. */
    static void round(NDArray x, long seed) {
        Randomness.seeded(seed, () -> ROUND.call(x.getManager(), x)).close();
    }
}
