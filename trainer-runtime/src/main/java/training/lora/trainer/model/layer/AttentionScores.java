package training.lora.trainer.model.layer;

import ai.djl.ndarray.NDArray;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * How strongly places look at a text's tokens in the cross-attentions of a recorded pass's down and up blocks: before the softmax,
 * the sum over heads of q k^T / sqrt(d), (B, T, S) fp32 of each layer, as DAAM has it (Tang et al. 2023). On the way back layers
 * take what a loss says of it.
 */
public final class AttentionScores {
    private final Map<String, NDArray> scores = new LinkedHashMap<>();
    private final Map<String, NDArray> gradients = new LinkedHashMap<>();

    /** Keeps a layer's; where the layer runs again for its way back, in the place of the first. */
    void put(String path, NDArray score) {
        NDArray before = scores.put(path, score);
        if (before != null) {
            before.close();
        }
    }

    /** Those of all layers, in their order. */
    public List<NDArray> all() {
        return new ArrayList<>(scores.values());
    }

    /** Gives the gradients of {@link #all}, without which there is no way back. */
    public void gradients(List<NDArray> all) {
        int i = 0;
        for (String path : scores.keySet()) {
            gradients.put(path, all.get(i++));
        }
    }

    /** The gradient of a layer's (B, T, S), fp32. */
    NDArray gradient(String path) {
        return Objects.requireNonNull(gradients.get(path), () -> "a gradient of the scores of " + path);
    }
}
