package training.lora.trainer.train.optimizer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Stream;
import training.lora.api.TrainingSpec;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.model.layer.WeightGradients;
import training.lora.trainer.model.weights.Parameter;
import training.lora.trainer.tensor.Copy;
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

    private final Map<Component, List<List<Parameter>>> weights;
    private final List<ParameterTable> tables = new ArrayList<>();

    /** What averages of weights are, where they are kept. */
    private final Map<Parameter, LazyTensor> outputs = new IdentityHashMap<>();

    private final long seed;
    private final boolean master;
    private final boolean averages;
    private final NDManager manager;

    /**
     * @param weights of each layer of each part of the model that is trained
     * @param training whose optimizer is of a type whose step needs one tensor's gradient at a time; where it keeps no copy in
     *     fp32, weights in bf16 are rounded by chance
     */
    public FusedOptimizer(Map<Component, List<List<Parameter>>> weights, TrainingSpec training, NDManager parent) {
        this.weights = new EnumMap<>(weights);
        this.seed = training.seed();
        this.manager = parent.newSubManager();
        this.master = training.keepsMasterWeights();
        this.averages = training.ema() != null;
        Shape greatest = new Shape(layers().mapToLong(FusedOptimizer::size)
                .max()
                .orElseThrow(() -> new IllegalArgumentException("a network must have layers")));
        LayerWeights.Scratch scratch =
                new LayerWeights.Scratch(manager.zeros(master ? new Shape(1) : greatest), manager.zeros(greatest));
        this.weights.forEach((component, own) -> {
            ParameterGroup group = ParameterGroup.of(training.optimizer(), component);
            LayerWeights.Settings settings = new LayerWeights.Settings(
                    tables.size(),
                    prefix(component),
                    training.optimizer(),
                    group,
                    master,
                    training.ema() == null ? null : training.ema().decay());
            own.forEach(layer -> layers.put(layer.get(0), new LayerWeights(layer, settings, scratch, manager)));
            tables.add(layer(own.get(0)).table());
        });
        if (averages) {
            layers.values().forEach(layer -> outputs.putAll(layer.output()));
        }
    }

    /** Text encoders call their weights alike. */
    private static String prefix(Component component) {
        return component == Component.UNet ? "" : component.folder() + "/";
    }

    private Stream<List<Parameter>> layers() {
        return weights.values().stream().flatMap(List::stream);
    }

    private static long size(List<Parameter> layer) {
        return layer.stream().mapToLong(Parameter::size).sum();
    }

    private LayerWeights layer(List<Parameter> layer) {
        return Objects.requireNonNull(layers.get(layer.get(0)), layer.get(0).name());
    }

    /** Numbers in all weights. */
    public long size() {
        return layers().mapToLong(FusedOptimizer::size).sum();
    }

    /** One of each part, whose one group has the rate of all its weights. */
    public List<ParameterTable> tables() {
        return Collections.unmodifiableList(tables);
    }

    /** A step on its way, which moves what it is given. */
    public final class Step implements WeightGradients {
        private final List<Rates> rates;
        private final NDManager scope;
        private final NDArray squares;
        private final boolean moves;
        private final Set<LayerWeights> taken = Collections.newSetFromMap(new IdentityHashMap<>());

        private Step(List<Rates> rates, NDManager scope) {
            this.rates = rates;
            this.scope = scope;
            this.squares = scope.zeros(new Shape());
            this.moves = rates.stream().anyMatch(Rates::moving);
        }

        @Override
        public void take(List<Parameter> weights, List<NDArray> gradients) {
            LayerWeights layer = layer(weights);
            taken.add(layer);
            try (NDArray norm = layer.step(gradients, rates, seed, scope)) {
                if (!moves || layer.moves(rates)) {
                    ADD_SQUARE.call(scope, squares, norm).close();
                }
            }
        }

        /**
         * Ends it: averages of what it wasn't given come nearer as well.
         *
         * @return the norm of the gradients by which weights moved, or of all that it was given if nothing does, a scalar
         */
        public NDArray end() {
            layers.values().stream().filter(layer -> !taken.contains(layer)).forEach(layer -> layer.rest(rates, scope));
            return ROOT.call(scope, squares);
        }
    }

    /**
     * Begins a step.
     *
     * @param rates of {@link #tables}
     */
    public Step begin(List<Rates> rates, NDManager scope) {
        return new Step(rates, scope);
    }

    /** The norm of all weights of each part. */
    public Map<Component, Double> norms() {
        Map<Component, Double> norms = new EnumMap<>(Component.class);
        weights.forEach((component, layers) -> norms.put(component, norm(layers)));
        return norms;
    }

    private double norm(List<List<Parameter>> layers) {
        try (NDManager scope = manager.newSubManager()) {
            NDArray sum = scope.zeros(new Shape());
            layers.forEach(layer -> layer.forEach(
                    weight -> ADD_SQUARES.call(scope, sum, weight.array()).close()));
            return Math.sqrt(sum.getFloat());
        }
    }

    /** What is put out of {@code weight}, in fp32: its average where that is kept, else itself. */
    public LazyTensor output(Parameter weight) {
        LazyTensor average = outputs.get(weight);
        return average == null ? weight.single() : average;
    }

    /** Averages that stand in the place of weights until it is closed. */
    public final class Held implements AutoCloseable {
        /** The weights as they were trained; none where copies in fp32 have them. */
        private final Map<Parameter, NDArray> trained = new IdentityHashMap<>();

        private final NDManager scope = manager.newSubManager();

        private Held() {
            if (!averages) {
                return;
            }
            if (!master) {
                layers().flatMap(List::stream).forEach(weight -> {
                    NDArray copy = weight.array().duplicate();
                    copy.attach(scope);
                    trained.put(weight, copy);
                });
            }
            layers.values().forEach(LayerWeights::enterOutput);
        }

        @Override
        public void close() {
            if (averages && master) {
                layers.values().forEach(LayerWeights::leaveOutput);
            }
            trained.forEach((weight, copy) -> Copy.into(weight.array(), copy));
            scope.close();
        }
    }

    /** Puts averages, where they are kept, in the place of weights. */
    public Held hold() {
        return new Held();
    }

    /** All that the next step depends on but its rates, weights among it, by name. */
    public Map<String, LazyTensor> state() {
        Map<String, LazyTensor> state = new LinkedHashMap<>();
        layers().forEach(layer -> state.putAll(layer(layer).state()));
        return state;
    }

    /**
     * Puts back what {@link #state} gave.
     *
     * @param from tensors of the same names and shapes, of which one layer's are in memory
     */
    public void restore(Map<String, LazyTensor> from) {
        layers().forEach(layer -> layer(layer).restore(from));
    }

    @Override
    public void close() {
        layers.values().forEach(LayerWeights::close);
        manager.close();
    }
}
