package training.lora.trainer.train.optimizer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import training.lora.api.OptimizerSpec;
import training.lora.trainer.model.layer.WeightGradients;
import training.lora.trainer.model.weights.Parameter;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.TorchScript;

/**
 * Moves a network's weights on the way back, a layer's as soon as its gradients are there, which are needed no more then: of
 * all gradients one layer's are in memory. What asks for all gradients at once, such as their clipping, can't be had with it.
 */
public final class FusedOptimizer implements AutoCloseable {
    private static final TorchScript ADD_SQUARE =
            TorchScript.compile("sum, n", "return torch.add_(sum, torch.mul(n, n))");

    private static final TorchScript ROOT = TorchScript.compile("sum", "return torch.sqrt(sum)");

    private static final TorchScript ADD_SQUARES =
            TorchScript.compile("sum, w", "return torch.add_(sum, torch.square(torch.norm(w, 2, dtype=6)))");

    /** By the layer's first weight. */
    private final Map<Parameter, LayerWeights> layers = new IdentityHashMap<>();

    private final List<List<Parameter>> weights;
    private final long seed;
    private final NDManager manager;
    private final ParameterTable table;

    /**
     * @param weights of each layer
     * @param settings of a type whose step needs one tensor's gradient at a time
     * @param master whether a copy in fp32 is kept of all, which else is rounded by chance where it is in bf16
     * @param seed of the run
     */
    public FusedOptimizer(
            List<List<Parameter>> weights, OptimizerSpec settings, boolean master, long seed, NDManager parent) {
        this.weights = List.copyOf(weights);
        this.seed = seed;
        this.manager = parent.newSubManager();
        Shape greatest = new Shape(weights.stream()
                .mapToLong(FusedOptimizer::size)
                .max()
                .orElseThrow(() -> new IllegalArgumentException("a network must have layers")));
        NDArray scratch = manager.zeros(master ? new Shape(1) : greatest);
        NDArray gradients = manager.zeros(greatest);
        for (List<Parameter> layer : weights) {
            layers.put(layer.get(0), new LayerWeights(layer, settings, scratch, gradients, master, manager));
        }
        table = layer(weights.get(0)).table();
    }

    private static long size(List<Parameter> layer) {
        return layer.stream().mapToLong(Parameter::size).sum();
    }

    private LayerWeights layer(List<Parameter> layer) {
        return Objects.requireNonNull(layers.get(layer.get(0)), layer.get(0).name());
    }

    /** Numbers in all weights. */
    public long size() {
        return weights.stream().mapToLong(FusedOptimizer::size).sum();
    }

    /** Whose one group has the rate of all weights. */
    public ParameterTable table() {
        return table;
    }

    /** A step on its way, which moves what it is given. */
    public final class Step implements WeightGradients {
        private final Rates rates;
        private final NDManager scope;
        private final NDArray squares;

        private Step(Rates rates, NDManager scope) {
            this.rates = rates;
            this.scope = scope;
            this.squares = scope.zeros(new Shape());
        }

        @Override
        public void take(List<Parameter> weights, List<NDArray> gradients) {
            try (NDArray norm = layer(weights).step(gradients, rates, seed, scope)) {
                ADD_SQUARE.call(scope, squares, norm).close();
            }
        }

        /** The norm of all gradients that it was given, a scalar. */
        public NDArray norm() {
            return ROOT.call(scope, squares);
        }
    }

    /**
     * Begins a step.
     *
     * @param rates of {@link #table}
     */
    public Step begin(Rates rates, NDManager scope) {
        return new Step(rates, scope);
    }

    /** The norm of all weights. */
    public double norm() {
        try (NDManager scope = manager.newSubManager()) {
            NDArray sum = scope.zeros(new Shape());
            weights.forEach(layer -> layer.forEach(
                    weight -> ADD_SQUARES.call(scope, sum, weight.array()).close()));
            return Math.sqrt(sum.getFloat());
        }
    }

    /** All that the next step depends on but its rates, weights among it, by name. */
    public Map<String, LazyTensor> state() {
        Map<String, LazyTensor> state = new LinkedHashMap<>();
        weights.forEach(layer -> state.putAll(layer(layer).state()));
        return state;
    }

    /**
     * Puts back what {@link #state} gave.
     *
     * @param from arrays of the same names and shapes
     */
    public void restore(Map<String, NDArray> from) {
        weights.forEach(layer -> layer(layer).restore(from));
    }

    @Override
    public void close() {
        layers.values().forEach(LayerWeights::close);
        manager.close();
    }
}
