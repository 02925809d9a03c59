package training.lora.trainer.model.layer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import java.util.List;
import training.lora.trainer.model.weights.Parameter;

/** Takes the gradients of a network's weights as they are made on the way back, a layer's at a time. */
@FunctionalInterface
public interface WeightGradients {
    /**
     * Takes those of a layer. Nothing of this way back reads the layer's weights any more: they may be moved.
     *
     * @param weights of the layer
     * @param gradients of each, in its shape and the type that its layer uses it in; closed afterwards
     */
    void take(List<Parameter> weights, List<NDArray> gradients);

    /**
     * Takes what a function of {@link training.lora.trainer.model.weights.Weights.Kernel#gradients} made: those of its weights, which
     * stand last and are closed.
     *
     * @param all the gradients of inputs, and of {@code weights} behind them
     * @return those of inputs
     */
    default NDList takeLast(List<Parameter> weights, NDList all) {
        int inputs = all.size() - weights.size();
        try (NDList own = new NDList(all.subList(inputs, all.size()))) {
            take(weights, own);
        }
        return new NDList(all.subList(0, inputs));
    }
}
