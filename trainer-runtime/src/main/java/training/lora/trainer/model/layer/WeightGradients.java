package training.lora.trainer.model.layer;

import ai.djl.ndarray.NDArray;
import java.util.List;
import training.lora.trainer.model.weights.Parameter;

/** Takes the gradients of a network's weights as they are made on the way back, a layer's at a time. */
@FunctionalInterface
public interface WeightGradients {
    /**
     * Takes those of a layer. Nothing of this way back reads the layer's weights any more: they may be moved.
     *
     * @param weights of the layer
     * @param gradients of each, in its shape and type; closed afterwards
     */
    void take(List<Parameter> weights, List<NDArray> gradients);
}
