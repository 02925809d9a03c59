package training.lora.trainer.model.weights;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.List;
import training.lora.trainer.tensor.TorchScript;

/** The frozen weights of a layer, under the names that its native functions call them. */
public final class Weights {
    private final List<String> names = new ArrayList<>();
    private final List<Parameter> parameters = new ArrayList<>();

    /** A native function whose last arguments are the layer's weights. */
    public final class Kernel {
        private final TorchScript script;

        private Kernel(TorchScript script) {
            this.script = script;
        }

        public NDArray call(NDManager scope, NDArray... inputs) {
            return callAll(scope, inputs).singletonOrThrow();
        }

        public NDList callAll(NDManager scope, NDArray... inputs) {
            return callAll(scope, new NDList(inputs));
        }

        NDList callAll(NDManager scope, NDArray first, NDList rest) {
            return callAll(scope, new NDList(first).addAll(rest));
        }

        public NDList callAll(NDManager scope, List<NDArray> inputs) {
            List<NDArray> all = new ArrayList<>(inputs);
            parameters.forEach(p -> all.add(p.array()));
            return script.callAll(scope, all.toArray(NDArray[]::new));
        }
    }

    /** Adds a weight. */
    public Weights add(String name, Parameter parameter) {
        names.add(name);
        parameters.add(parameter);
        return this;
    }

    /** Adds a weight as {@code name}w and its bias as {@code name}b. */
    public Weights add(String name, Parameter[] weightAndBias) {
        return add(name + "w", weightAndBias[0]).add(name + "b", weightAndBias[1]);
    }

    /** Adds the weight of the layer's projection {@code i} as w{@code i} and its bias as c{@code i}. */
    public Weights projection(int i, Parameter[] weightAndBias) {
        return add("w" + i, weightAndBias[0]).add("c" + i, weightAndBias[1]);
    }

    /**
     * Compiles a function.
     *
     * @param inputs names of its arguments before the weights
     * @param body lines of TorchScript
     * @param outputs names or expressions of what it returns
     */
    public Kernel kernel(List<String> inputs, String body, List<String> outputs) {
        List<String> arguments = new ArrayList<>(inputs);
        arguments.addAll(names);
        List<String> lines =
                new ArrayList<>(body.strip().lines().map(String::stripTrailing).toList());
        String results = String.join(", ", outputs);
        lines.add("return " + (outputs.size() == 1 ? results : "(" + results + ")"));
        return new Kernel(TorchScript.compile(arguments, lines, outputs.size()));
    }
}
