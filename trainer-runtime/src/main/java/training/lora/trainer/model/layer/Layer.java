package training.lora.trainer.model.layer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.weights.Parameter;

/**
 * A part of a network with a backward written by hand: one native call each way. All arrays that it returns belong to the
 * pass's scope; it closes none that it is given.
 */
public interface Layer {
    /**
     * The output, keeping nothing.
     *
     * @param skip what a skip connection or residual brings, where the layer takes one
     */
    NDArray forward(Pass pass, NDArray x, @Nullable NDArray skip);

    /** The output, then what {@link #backward} wants of it. */
    NDList record(Pass pass, NDArray x, @Nullable NDArray skip);

    /**
     * The gradients of x and, where the layer takes one, of the skip. Gradients of the adapter's factors are added where
     * {@link Pass#deltas} says.
     *
     * @param dy gradient of the output
     * @param kept what {@link #record} returned behind the output
     */
    NDList backward(Pass pass, NDArray dy, NDList kept);

    /** The same layer, without an adapter, whose own weights are trained: it makes their gradients too. */
    Layer ofTrainedWeights();

    /** The weights whose gradients it hands on: none but where it is {@link #ofTrainedWeights}. */
    default List<Parameter> trainedWeights() {
        return List.of();
    }

    /** What an adapter can stand beside. */
    default List<Projection> projections() {
        return List.of();
    }

    /** Whether it has gradients to add to in {@code pass}: of an adapter's factors, of the context or of the time. */
    default boolean trained(Pass pass) {
        return false;
    }
}
