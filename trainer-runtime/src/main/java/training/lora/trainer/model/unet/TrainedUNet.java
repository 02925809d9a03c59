package training.lora.trainer.model.unet;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.layer.Chain;
import training.lora.trainer.model.layer.Keep;
import training.lora.trainer.model.layer.Pass;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.model.layer.WeightGradients;
import training.lora.trainer.model.text.TextEmbedding;
import training.lora.trainer.model.weights.Parameter;
import training.lora.trainer.model.weights.Weights;

/**
 * The way through a denoiser whose own weights are trained: a recorded pass keeps each layer's inputs, and the way back makes
 * the gradients of one layer's weights after the other's, from the last layer to the first, then of the time's embedding,
 * which all ResNets read. The network is the same, in the same arrays.
 */
public final class TrainedUNet {
    private final UNet unet;
    private final Chain chain;
    private final Weights.Kernel timeGradients;
    private final List<List<Parameter>> layers = new ArrayList<>();

    public TrainedUNet(UNet unet) {
        this.unet = unet;
        chain = unet.chain().ofTrainedWeights();
        layers.addAll(chain.trainedWeights());
        AddedEmbedding added = unet.embedAddition();
        if (added != null) {
            layers.add(added.weights());
        }
        layers.add(unet.embedTime().weights());
        timeGradients = unet.embedTime().gradients(List.of());
    }

    /** The network itself. */
    public UNet unet() {
        return unet;
    }

    /** The weights of each layer, as {@link WeightGradients} gets their gradients. */
    public List<List<Parameter>> layers() {
        return Collections.unmodifiableList(layers);
    }

    /**
     * Predicts the noise, as {@link UNet#forward}, and keeps what a way back needs.
     *
     * @param taker takes the gradients of weights on the way back
     */
    public Recording record(NDArray sample, NDArray timesteps, Conditioning told, WeightGradients taker) {
        return record(sample, timesteps, told, taker, false);
    }

    /** The same, whose way back goes to what the text came to as well, where {@link Recording#toText} is asked for. */
    public Recording recordToText(NDArray sample, NDArray timesteps, Conditioning told, WeightGradients taker) {
        return record(sample, timesteps, told, taker, true);
    }

    private Recording record(
            NDArray sample, NDArray timesteps, Conditioning told, WeightGradients taker, boolean toText) {
        NDManager scope = sample.getManager();
        Pass plain = unet.pass(scope, timesteps, told, ProjectionDeltas.NONE, Keep.LayerStates);
        NDArray time = scope.zeros(plain.requireTime().getShape());
        Pass wanted = toText ? plain.toText(scope.zeros(told.context().getShape()), time) : plain.toTime(time);
        Pass pass = wanted.withWeights(taker);
        return new Recording(pass, timesteps, told, chain.record(pass, UNet.enter(pass, sample), false));
    }

    /** A prediction that can be walked back. */
    public final class Recording {
        private final Pass pass;
        private final NDArray timesteps;
        private final Conditioning told;
        private final Chain.Recording chain;
        private final NDArray output;
        private @Nullable TextEmbedding toText;

        private Recording(Pass pass, NDArray timesteps, Conditioning told, Chain.Recording chain) {
            this.pass = pass;
            this.timesteps = timesteps;
            this.told = told;
            this.chain = chain;
            this.output = UNet.leave(pass, chain.output());
        }

        /** The prediction (B, C, h, w), fp32. */
        public NDArray output() {
            return output;
        }

        /**
         * Hands the gradients of all weights on, a layer's at a time; works once.
         *
         * @param gradient of the output (B, C, h, w)
         */
        public void backward(NDArray gradient) {
            chain.backward(UNet.enter(pass, gradient)).close();
            NDManager scope = pass.scope();
            NDArray time = Objects.requireNonNull(pass.timeGradient());
            WeightGradients taker = Objects.requireNonNull(pass.weights());
            AddedEmbedding added = unet.embedAddition();
            NDArray context = pass.contextGradient();
            if (context != null) {
                // Before the weights that it goes through move.
                toText = new TextEmbedding(context, added == null ? null : added.backward(scope, time, told));
            }
            if (added != null) {
                added.takeGradients(scope, time, pass.requireTime(), told, taker);
            }
            taker.takeLast(unet.embedTime().weights(), timeGradients.callAll(scope, time, timesteps));
        }

        /** The gradient of what the text came to, fp32, after {@link #backward}; only of {@link #recordToText}. */
        public TextEmbedding toText() {
            return Objects.requireNonNull(toText, "a pass recorded to its text and walked back");
        }
    }
}
