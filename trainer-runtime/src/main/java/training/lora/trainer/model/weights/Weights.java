package training.lora.trainer.model.weights;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.regex.Pattern;
import training.lora.trainer.tensor.TorchScript;

/** The frozen weights of a layer, under the names that its native functions call them. */
public final class Weights {
    /** How the names end of what a weight is made of that is remade. */
    private static final String VALUES = "_q";

    private static final String SCALES = "_s";

    /** How the name ends of what stays in the host's memory. */
    private static final String ON_HOST = "_h";

    private final List<String> names = new ArrayList<>();
    private final List<Parameter> parameters = new ArrayList<>();

    /** A native function whose last arguments are the layer's weights. */
    public final class Kernel {
        private final List<String> inputs;
        private final List<String> body;
        private final List<String> outputs;
        private final TorchScript script;

        /** @param arguments names of all arguments, with the weights' */
        private Kernel(List<String> inputs, List<String> body, List<String> outputs, List<String> arguments) {
            this.inputs = inputs;
            this.body = body;
            this.outputs = outputs;
            String results = String.join(", ", outputs);
            List<String> lines = new ArrayList<>(made(String.join("\n", body) + "\n" + results, inputs));
            lines.addAll(body);
            lines.add("return " + (outputs.size() == 1 ? results : "(" + results + ")"));
            this.script = TorchScript.compile(arguments, lines, outputs.size());
        }

        /** Names of its inputs before the weights. */
        public List<String> inputs() {
            return inputs;
        }

        /** The weights that it is given, in their order. */
        public List<Parameter> weights() {
            return Collections.unmodifiableList(parameters);
        }

        /** The same function, which returns what it is given behind its own output: what {@link #gradients} begins with. */
        public Kernel recording() {
            List<String> all = new ArrayList<>(outputs);
            all.addAll(inputs);
            return new Kernel(inputs, body, all, arguments(inputs));
        }

        /**
         * The gradients of this function, which has one output, by autograd: it is computed again, with all that is made on
         * the way, and walked back. Of the output's gradient and this function's inputs it makes the gradients of {@code
         * wanted}, then of each of {@link #weights}, each in the type that the function uses it in.
         *
         * @param wanted names of inputs
         */
        public Kernel gradients(List<String> wanted) {
            if (outputs.size() != 1) {
                throw new IllegalStateException("a function must have one output to be walked back, has " + outputs);
            }
            if (parameters.stream().anyMatch(p -> p.quantized() || p.onHost())) {
                throw new IllegalStateException("weights that are quantized or stay on the host have no gradients");
            }
            List<String> leaves = new ArrayList<>(wanted);
            leaves.addAll(names);
            List<String> lines =
                    new ArrayList<>(List.of("mode__ = torch.is_grad_enabled()", "torch.set_grad_enabled(True)"));
            leaves.forEach(leaf -> lines.add("%1$s = torch.requires_grad_(torch.detach(%1$s))".formatted(leaf)));
            lines.addAll(body);
            lines.add("out__ = " + outputs.get(0));
            lines.add("d__ = annotate(List[Optional[Tensor]], [torch.type_as(dy__, out__)])");
            lines.add("g__ = torch.autograd.grad([out__], [%s], d__)".formatted(String.join(", ", leaves)));
            lines.add("torch.set_grad_enabled(mode__)");
            List<String> results = new ArrayList<>();
            for (int i = 0; i < leaves.size(); i++) {
                results.add("torch._unwrap_optional(g__[%d])".formatted(i));
            }
            List<String> all = new ArrayList<>(List.of("dy__"));
            all.addAll(inputs);
            return new Kernel(all, lines, results, arguments(all));
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
            parameters.forEach(p -> all.addAll(p.arrays()));
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
     * Compiles a function. A weight that is remade or stays on the host is made at its beginning, if it is read there, and let
     * go after its last use.
     *
     * @param inputs names of its arguments before the weights
     * @param body lines of TorchScript
     * @param outputs names or expressions of what it returns
     */
    public Kernel kernel(List<String> inputs, String body, List<String> outputs) {
        List<String> lines = body.strip().lines().map(String::stripTrailing).toList();
        return new Kernel(List.copyOf(inputs), lines, List.copyOf(outputs), arguments(inputs));
    }

    private List<String> arguments(List<String> inputs) {
        List<String> arguments = new ArrayList<>(inputs);
        for (int i = 0; i < names.size(); i++) {
            Parameter parameter = parameters.get(i);
            String values = values(i);
            arguments.add(parameter.onHost() ? values + ON_HOST : values);
            if (parameter.quantized()) {
                arguments.add(names.get(i) + SCALES);
            }
        }
        return arguments;
    }

    /** The name of the values of weight {@code i} on the device where they are needed. */
    private String values(int i) {
        return parameters.get(i).remade() ? names.get(i) + VALUES : names.get(i);
    }

    /**
     * Lines that bring the weights which stay on the host and make those which are remade, as far as {@code text} reads them.
     *
     * @param inputs names of the function's inputs, which are on the device where they are needed
     */
    private List<String> made(String text, List<String> inputs) {
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < names.size(); i++) {
            Parameter parameter = parameters.get(i);
            String name = names.get(i);
            if (!Pattern.compile("\\b" + name + "\\b").matcher(text).find()) {
                continue;
            }
            if (parameter.onHost()) {
                String values = values(i);
                // From pinned memory the copy waits for nothing but what runs before it.
                lines.add("%1$s = torch.to(%1$s%2$s, ops.prim.device(%3$s), ops.prim.dtype(%1$s%2$s), True)"
                        .formatted(values, ON_HOST, inputs.get(0)));
            }
            if (parameter.remade()) {
                lines.add(parameter.line(name, name + VALUES, name + SCALES));
            }
        }
        return lines;
    }
}
