package training.lora.trainer.train.optimizer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.Arrays;
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
    private final List<Parameter> weights;
    private final Optimizer optimizer;
    private final boolean master;
    private final NDArray gradient;
    private final TorchScript gather;
    private final TorchScript scatter;

    /** Parts of the flat array whose weights are in bf16, by their names. */
    private final Map<String, NDArray> rounded = new LinkedHashMap<>();

    /**
     * @param scratch for parameters and for gradients (at least n), which all layers share
     * @param master whether a copy in fp32 is kept, of which the weights are roundings
     */
    LayerWeights(
            List<Parameter> weights,
            OptimizerSpec settings,
            NDArray scratch,
            NDArray gradients,
            boolean master,
            NDManager manager) {
        this.weights = weights;
        this.master = master;
        List<ParameterTensor> tensors = new ArrayList<>();
        long end = 0;
        for (Parameter weight : weights) {
            ParameterTensor tensor = new ParameterTensor(weight.name(), end, new Shape(weight.shape()), 0);
            tensors.add(tensor);
            end = tensor.end();
        }
        ParameterTable table = new ParameterTable(tensors, List.of(ParameterGroup.of(settings)));
        gather = script(tensors, "_{i} = torch.copy_({part}, w{i})");
        scatter = script(tensors, "_{i} = torch.copy_(w{i}, {part})");
        NDArray flat = master ? manager.zeros(new Shape(end)) : part(scratch, 0, end, manager);
        gradient = part(gradients, 0, end, manager);
        optimizer = Optimizer.of(settings, table, flat, manager);
        if (master) {
            copy(gather, flat, arrays());
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

    /**
     * Moves them.
     *
     * @param gradients of each
     * @param seed of the run, from which with step and name follows what rounding draws
     * @return the norm of the gradient, a scalar in {@code scope}
     */
    NDArray step(List<NDArray> gradients, Rates rates, long seed, NDManager scope) {
        if (!master) {
            copy(gather, optimizer.parameters, arrays());
        }
        copy(gather, gradient, gradients);
        NDArray norm = optimizer.step(gradient, rates, scope);
        rounded.forEach((name, part) ->
                StochasticRounding.round(part, Randomness.derive(seed, rates.step(), "rounding/" + name)));
        copy(scatter, optimizer.parameters, arrays());
        return norm;
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
    void restore(Map<String, NDArray> from) {
        String prefix = prefix();
        Map<String, NDArray> own = new LinkedHashMap<>();
        optimizer.state().forEach((name, array) -> {
            // In the scratch array is whatever the last layer left.
            boolean scratch = !master && array == optimizer.parameters;
            own.put(name, scratch ? array : Objects.requireNonNull(from.get(prefix + name), prefix + name));
        });
        optimizer.restore(own);
        if (master) {
            copy(scatter, optimizer.parameters, arrays());
        } else {
            weights.forEach(weight -> copyInto(weight, from.get(prefix + "weights/" + weight.name())));
        }
    }

    private static void copyInto(Parameter weight, @Nullable NDArray values) {
        Copy.into(weight.array(), Objects.requireNonNull(values, weight.name()));
    }

    private String prefix() {
        return weights.get(0).name() + "/";
    }

    @Override
    public void close() {
        optimizer.close();
    }
}
