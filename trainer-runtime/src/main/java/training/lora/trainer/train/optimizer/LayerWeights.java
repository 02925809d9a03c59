package training.lora.trainer.train.optimizer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import training.lora.api.OptimizerSpec;
import training.lora.api.Precision;
import training.lora.trainer.model.weights.Parameter;
import training.lora.trainer.tensor.Copy;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.TorchScript;

/**
 * The weights of one layer, as an optimizer moves them: one behind the other in a flat array (n), fp32, each as files have it.
 * They are brought there for a step and back again; where there is no copy in fp32 beside them, weights in bf16 are rounded by
 * chance.
 */
final class LayerWeights implements AutoCloseable {
    private static final TorchScript ROUNDED = TorchScript.compile("x", "return torch.to(torch.to(x, 15), 6)");

    private static final TorchScript SINGLE = TorchScript.compile("x", "return torch.clone(x)");

    private final List<Parameter> weights;
    private final Settings settings;
    private final Optimizer optimizer;
    private final boolean master;
    private final NDArray gradient;
    private final TorchScript gather;
    private final TorchScript scatter;

    /** Parts of the flat array whose weights are in bf16, by their names. */
    private final Map<String, NDArray> rounded = new LinkedHashMap<>();

    /**
     * How the layers of a part of the model move.
     *
     * @param part number of the part, whose rates they have
     * @param prefix how names of the part's state begin
     * @param group the rates of all
     * @param master whether a copy in fp32 is kept, of which the weights are roundings
     * @param decay of the moving average that is put out; null where the weights are
     */
    record Settings(
            int part,
            String prefix,
            OptimizerSpec optimizer,
            ParameterGroup group,
            boolean master,
            @Nullable Double decay) {}

    /**
     * Arrays (at least n) that all layers use in turn.
     *
     * @param parameters one number where there is a copy in fp32, which stands in its place
     */
    record Scratch(NDArray parameters, NDArray gradients) {}

    LayerWeights(List<Parameter> weights, Settings settings, Scratch scratch, NDManager manager) {
        this.weights = weights;
        this.settings = settings;
        this.master = settings.master();
        List<ParameterTensor> tensors = new ArrayList<>();
        long end = 0;
        for (Parameter weight : weights) {
            ParameterTensor tensor = new ParameterTensor(weight.name(), end, new Shape(weight.shape()), 0);
            tensors.add(tensor);
            end = tensor.end();
        }
        ParameterTable table = new ParameterTable(tensors, List.of(settings.group()));
        gather = script(tensors, "_{i} = torch.copy_({part}, w{i})");
        scatter = script(tensors, "_{i} = torch.copy_(w{i}, {part})");
        NDArray flat = master ? manager.zeros(new Shape(end)) : part(scratch.parameters(), 0, end, manager);
        gradient = part(scratch.gradients(), 0, end, manager);
        optimizer = Optimizer.of(settings.optimizer(), table, flat, manager);
        if (master || settings.decay() != null) {
            copy(gather, flat, arrays());
        }
        if (settings.decay() != null) {
            optimizer.averaged(settings.decay());
        }
        for (int i = 0; i < weights.size(); i++) {
            if (!master && weights.get(i).precision() == Precision.BFloat16) {
                ParameterTensor tensor = tensors.get(i);
                rounded.put(tensor.name(), part(flat, tensor.offset(), tensor.end(), manager));
            }
        }
    }

    private static NDArray part(NDArray array, long begin, long end, NDManager manager) {
        NDArray part = array.get(new NDIndex().addSliceDim(begin, end));
        part.attach(manager);
        return part;
    }

    /** A script over {@code p}, the flat array, and each tensor w0, w1, …, with {@code line} for each. */
    private static TorchScript script(List<ParameterTensor> tensors, String line) {
        List<String> names = new ArrayList<>(List.of("p"));
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < tensors.size(); i++) {
            ParameterTensor tensor = tensors.get(i);
            names.add("w" + i);
            String shape = Arrays.stream(tensor.shape().getShape())
                    .mapToObj(Long::toString)
                    .collect(Collectors.joining(", "));
            String part = "torch.view(torch.slice(p, 0, %d, %d), [%s])".formatted(tensor.offset(), tensor.end(), shape);
            lines.add(line.replace("{i}", Integer.toString(i)).replace("{part}", part));
        }
        lines.add("return p");
        return TorchScript.compile(names, lines, 1);
    }

    private static void copy(TorchScript script, NDArray flat, List<NDArray> tensors) {
        List<NDArray> all = new ArrayList<>(List.of(flat));
        all.addAll(tensors);
        script.call(flat.getManager(), all.toArray(NDArray[]::new)).close();
    }

    private List<NDArray> arrays() {
        return weights.stream().map(Parameter::array).toList();
    }

    ParameterTable table() {
        return optimizer.table();
    }

    /** Whether they move at {@code all} parts' rates. */
    boolean moves(List<Rates> all) {
        return all.get(settings.part()).moving();
    }

    /**
     * Moves them.
     *
     * @param gradients of each
     * @param all rates of each part
     * @param seed of the run, from which with step and name follows what rounding draws
     * @return the norm of the gradient, a scalar in {@code scope}
     */
    NDArray step(List<NDArray> gradients, List<Rates> all, long seed, NDManager scope) {
        Rates rates = all.get(settings.part());
        if (!master) {
            copy(gather, optimizer.parameters, arrays());
        }
        copy(gather, gradient, gradients);
        NDArray norm = optimizer.step(gradient, rates, scope);
        rounded.forEach((name, part) -> StochasticRounding.round(
                part, Randomness.derive(seed, rates.step(), "rounding/" + settings.prefix() + name)));
        copy(scatter, optimizer.parameters, arrays());
        optimizer.average(rates, scope);
        return norm;
    }

    /** A step in which they have no gradients: they stay as they are, and the average comes nearer to them. */
    void rest(List<Rates> all, NDManager scope) {
        if (settings.decay() != null) {
            if (!master) {
                copy(gather, optimizer.parameters, arrays());
            }
            optimizer.average(all.get(settings.part()), scope);
        }
    }

    /** Puts what is put out into the weights. */
    void enterOutput() {
        copy(scatter, optimizer.output(), arrays());
    }

    /** The same backwards, where a copy in fp32 has them. */
    void leaveOutput() {
        copy(scatter, optimizer.parameters, arrays());
    }

    /** What is put out of each weight, fp32, rounded as the weight itself. */
    Map<Parameter, LazyTensor> output() {
        Map<Parameter, LazyTensor> output = new IdentityHashMap<>();
        for (int i = 0; i < weights.size(); i++) {
            Parameter weight = weights.get(i);
            ParameterTensor tensor = optimizer.table().tensors().get(i);
            NDIndex range = new NDIndex().addSliceDim(tensor.offset(), tensor.end());
            TorchScript like = weight.precision() == Precision.BFloat16 ? ROUNDED : SINGLE;
            output.put(weight, new LazyTensor(tensor.shape(), DataType.FLOAT32, scope -> {
                try (NDArray part = optimizer.output().get(range);
                        NDArray shaped = part.reshape(tensor.shape())) {
                    return like.call(scope, shaped);
                }
            }));
        }
        return output;
    }

    /** What the next step depends on, by name, all fp32 or bytes. */
    Map<String, LazyTensor> state() {
        Map<String, LazyTensor> state = new LinkedHashMap<>();
        String prefix = prefix();
        optimizer.state().forEach((name, array) -> {
            if (master || array != optimizer.parameters) {
                state.put(prefix + name, LazyTensor.of(array));
            }
        });
        if (!master) {
            weights.forEach(weight -> state.put(prefix + "weights/" + weight.name(), weight.single()));
        }
        return state;
    }

    /** Puts back what {@link #state} gave. */
    void restore(Map<String, LazyTensor> from) {
        String prefix = prefix();
        try (NDManager scope = optimizer.parameters.getManager().newSubManager()) {
            Map<String, NDArray> own = new LinkedHashMap<>();
            optimizer.state().forEach((name, array) -> {
                // In the scratch array is whatever the last layer left.
                boolean scratch = !master && array == optimizer.parameters;
                own.put(name, scratch ? array : required(from, prefix + name).in(scope));
            });
            optimizer.restore(own);
            if (master) {
                copy(scatter, optimizer.parameters, arrays());
            } else {
                weights.forEach(weight -> Copy.into(
                        weight.array(),
                        required(from, prefix + "weights/" + weight.name()).in(scope)));
            }
        }
    }

    private static LazyTensor required(Map<String, LazyTensor> from, String name) {
        return Objects.requireNonNull(from.get(name), name);
    }

    private String prefix() {
        return settings.prefix() + weights.get(0).name() + "/";
    }

    @Override
    public void close() {
        optimizer.close();
    }
}
