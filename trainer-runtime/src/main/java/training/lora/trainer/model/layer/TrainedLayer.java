package training.lora.trainer.model.layer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.weights.Parameter;
import training.lora.trainer.model.weights.Weights;
import training.lora.trainer.tensor.TorchScript;

/**
 * A layer whose own weights are trained. Of a recorded pass it keeps its inputs alone; on the way back it is computed again
 * and walked back by autograd, and the gradients of its weights go to {@link Pass#weights} before the layer before it is
 * walked.
 */
final class TrainedLayer implements Layer {
    private static final TorchScript ADD =
            TorchScript.compile("sum, d", "return torch.add_(sum, torch.view_as(d, sum))");

    private final AdaptedLayer layer;
    private final Weights.Kernel forward;
    private final Weights.Kernel record;

    /** Gradients of the layer's inputs and weights; without that of what the pass gives, and with it. */
    private final Weights.Kernel gradients;

    private final Weights.Kernel gradientsToPass;

    /** @param forward of the layer without an adapter */
    TrainedLayer(AdaptedLayer layer, Weights.Kernel forward) {
        this.layer = layer;
        this.forward = forward;
        this.record = forward.recording();
        List<String> all = forward.inputs();
        this.gradientsToPass = forward.gradients(all);
        this.gradients = layer.takesOfPass() ? forward.gradients(all.subList(0, all.size() - 1)) : gradientsToPass;
    }

    @Override
    public NDArray forward(Pass pass, NDArray x, @Nullable NDArray skip) {
        return forward.callAll(pass.scope(), layer.inputs(pass, x, skip)).singletonOrThrow();
    }

    @Override
    public NDList record(Pass pass, NDArray x, @Nullable NDArray skip) {
        return record.callAll(pass.scope(), layer.inputs(pass, x, skip));
    }

    @Override
    public NDList backward(Pass pass, NDArray dy, NDList kept) {
        List<NDArray> inputs = new ArrayList<>(List.of(dy));
        inputs.addAll(kept);
        NDArray sum = layer.gradientOfPass(pass);
        Weights.Kernel kernel = sum == null ? gradients : gradientsToPass;
        NDList ofInputs = Objects.requireNonNull(pass.weights(), "what takes the gradients of weights")
                .takeLast(forward.weights(), kernel.callAll(pass.scope(), inputs));
        if (sum != null) {
            try (NDArray d = ofInputs.remove(ofInputs.size() - 1)) {
                ADD.call(pass.scope(), sum, d).close();
            }
        }
        return ofInputs;
    }

    @Override
    public Layer ofTrainedWeights() {
        return this;
    }

    @Override
    public List<Parameter> trainedWeights() {
        return forward.weights();
    }

    @Override
    public boolean trained(Pass pass) {
        return true;
    }
}
