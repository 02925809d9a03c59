package training.lora.trainer.train.objective;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.EnumMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.adapter.TokenStatistics;
import training.lora.trainer.tensor.TorchScript;

/**
 * Losses on the embeddings e (n, D) of new tokens of one text encoder, as in Eden's trainer: they are held to how the
 * vocabulary's embeddings (V, D) are spread.
 *
 * <ul>
 *   <li>deviation: mean_i (mu - std(e_i))^2 / (s2 / mu), mu and s2 the mean and the variance of the deviations over the
 *       vocabulary;
 *   <li>covariance: |Cov_V - Cov_e|_F / D^2.
 * </ul>
 */
public final class TokenRegularizer implements AutoCloseable {
    /** Adds k[0] times the gradient of the deviation's loss to g; k[1] is mu and k[2] s2 / mu. */
    private static final TorchScript DEVIATION = TorchScript.compile("g, e, k", """
            w = torch.unbind(k, 0)
            c = torch.sub(e, torch.mean(e, [1], True))
            d = torch.std(e, [1], True, True)
            n = torch.mul(d, torch.mul(torch.size(e, 0), torch.sub(torch.size(e, 1), 1)))
            f = torch.div(torch.mul(torch.sub(d, w[1]), torch.mul(torch.div(w[0], w[2]), 2.)), n)
            _0 = torch.add_(g, torch.mul(c, f))
            x = torch.sub(d, w[1])
            return torch.mul(torch.mean(torch.mul(x, x)), torch.div(w[0], w[2]))
            """);

    private static final TorchScript COVARIANCE = TorchScript.compile("x", """
            t = torch.to(x, 6)
            c = torch.sub(t, torch.mean(t, [0], True))
            return torch.div(torch.mm(torch.t(c), c), torch.sub(torch.size(x, 0), 1))
            """);

    /** Adds k[0] times the gradient of the covariance's loss to g; v is Cov_V and u Cov_e. */
    private static final TorchScript SPREAD = TorchScript.compile("g, e, v, u, k", """
            c = torch.sub(e, torch.mean(e, [0], True))
            d = torch.sub(u, v)
            n = torch.norm(d)
            s = torch.mul(torch.size(e, 1), torch.size(e, 1))
            f = torch.mul(n, torch.mul(s, torch.sub(torch.size(e, 0), 1)))
            _0 = torch.add_(g, torch.mul(torch.mm(c, d), torch.div(torch.mul(k[0], 2.), f)))
            return torch.mul(k[0], torch.div(n, s))
            """);

    private final NDManager manager;
    private final @Nullable NDArray deviation;
    private final @Nullable NDArray covariance;
    private final @Nullable NDArray covarianceWeight;

    /**
     * @param table of the vocabulary, (V, D)
     * @param deviationWeight of the deviation's loss; 0 for none
     * @param covarianceWeight of the covariance's; 0 for none
     */
    public TokenRegularizer(NDArray table, double deviationWeight, double covarianceWeight, NDManager parent) {
        manager = parent.newSubManager();
        if (deviationWeight > 0) {
            TokenStatistics of = TokenStatistics.of(table);
            deviation = manager.create(new float[] {
                (float) deviationWeight,
                (float) of.meanDeviation(),
                (float) (of.deviationVariance() / of.meanDeviation())
            });
        } else {
            deviation = null;
        }
        covariance = covarianceWeight > 0 ? COVARIANCE.call(manager, table) : null;
        this.covarianceWeight = covariance == null ? null : manager.create(new float[] {(float) covarianceWeight});
    }

    /**
     * Adds the losses' gradient by {@code embeddings} (n, D) to {@code gradient} (n, D).
     *
     * @return the losses that there are, times their weights, scalars in {@code scope}
     */
    public Map<AddedLoss, NDArray> addTo(NDArray gradient, NDArray embeddings, NDManager scope) {
        Map<AddedLoss, NDArray> losses = new EnumMap<>(AddedLoss.class);
        if (deviation != null) {
            losses.put(AddedLoss.Deviation, DEVIATION.call(scope, gradient, embeddings, deviation));
        }
        if (covariance != null && covarianceWeight != null) {
            NDArray own = COVARIANCE.call(scope, embeddings);
            losses.put(
                    AddedLoss.Covariance, SPREAD.call(scope, gradient, embeddings, covariance, own, covarianceWeight));
        }
        return losses;
    }

    @Override
    public void close() {
        manager.close();
    }
}
