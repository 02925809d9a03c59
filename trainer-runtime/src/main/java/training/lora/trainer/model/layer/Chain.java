package training.lora.trainer.model.layer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.weights.Parameter;
import training.lora.trainer.tensor.TorchScript;

/**
 * Layers one behind the other, with a stack for skip connections and residuals, which nest: what is left first is taken
 * last.
 */
public final class Chain {
    /** Another handle of x. */
    private static final TorchScript HANDLE = TorchScript.compile("x", "return x");

    private static final TorchScript ADD = TorchScript.compile("x, y", "return torch.add_(x, y)");

    private final List<Step> steps;

    /**
     * A layer in its place.
     *
     * @param takes whether it takes the stack's top beside the output of the step before
     * @param leaves whether its output is put on the stack too
     * @param opens whether a block begins with it, whose inputs {@link Keep#BlockInputs} keeps
     */
    public record Step(Layer layer, boolean takes, boolean leaves, boolean opens) {
        /** A step that is a block, or the first of one. */
        public Step(Layer layer, boolean takes, boolean leaves) {
            this(layer, takes, leaves, true);
        }

        public Step leaving() {
            return new Step(layer, takes, true, opens);
        }

        /** The same in the block of the step before. */
        public Step within() {
            return new Step(layer, takes, leaves, false);
        }
    }

    public Chain(List<Step> steps) {
        this.steps = List.copyOf(steps);
    }

    /** The same layers, without an adapter, whose own weights are trained. */
    public Chain ofTrainedWeights() {
        return new Chain(steps.stream()
                .map(step -> new Step(step.layer().ofTrainedWeights(), step.takes(), step.leaves(), step.opens()))
                .toList());
    }

    /** The weights of each layer whose gradients it hands on. */
    public List<List<Parameter>> trainedWeights() {
        return steps.stream().map(step -> step.layer().trainedWeights()).toList();
    }

    /** The output for {@code x}, which is closed. */
    public NDArray forward(Pass pass, NDArray x) {
        return pass(pass, x).output();
    }

    /** {@link #forward} in the form of a recording, which has kept nothing and has no way back. */
    public Recording pass(Pass pass, NDArray x) {
        return new Recording(pass, x, steps.size());
    }

    /**
     * The same, kept as the pass says from the first step that is trained: what comes before needs no gradient.
     *
     * @param whole whether to keep all of it, for the gradient of {@code x}
     */
    public Recording record(Pass pass, NDArray x, boolean whole) {
        int first = 0;
        while (!whole && first < steps.size() && !steps.get(first).layer().trained(pass)) {
            first++;
        }
        return new Recording(pass, x, first);
    }

    /** A pass forward, with what its backward needs. */
    public final class Recording {
        private final Pass pass;
        private final int first;
        /** What is kept of each step that can be walked back, the last on top. */
        private final Deque<NDList> kept = new ArrayDeque<>();

        /** The blocks that must run again before, the last on top; none where layers' states are kept. */
        private final Deque<Block> blocks = new ArrayDeque<>();

        private final NDArray output;

        /**
         * Steps of which the inputs are kept alone.
         *
         * @param begin number of its first step
         * @param inputs that step's x, then what its steps take from the stack, in their order
         */
        private record Block(int begin, NDList inputs) {}

        private Recording(Pass pass, NDArray x, int first) {
            this.pass = pass;
            this.first = first;
            Deque<NDArray> stack = new ArrayDeque<>();
            NDArray h = x;
            for (int i = 0; i < steps.size(); i++) {
                Step step = steps.get(i);
                NDArray skip = step.takes() ? stack.pop() : null;
                NDArray y = i < first ? step.layer().forward(pass, h, skip) : keep(i, h, skip);
                // What a layer keeps it holds by handles of its own.
                if (h != stack.peek()) {
                    h.close();
                }
                if (skip != null) {
                    skip.close();
                }
                if (step.leaves()) {
                    stack.push(y);
                }
                h = y;
            }
            output = h;
        }

        private NDArray keep(int i, NDArray x, @Nullable NDArray skip) {
            if (pass.keep() == Keep.LayerStates) {
                return record(i, x, skip);
            }
            if (i == first || steps.get(i).opens()) {
                blocks.push(new Block(i, new NDList(HANDLE.call(pass.scope(), x))));
            }
            if (skip != null) {
                blocks.element().inputs().add(HANDLE.call(pass.scope(), skip));
            }
            // Recorded as it will be again, since forward has no dropout.
            NDArray y = record(i, x, skip);
            kept.pop().close();
            return y;
        }

        private NDArray record(int i, NDArray x, @Nullable NDArray skip) {
            NDList results = steps.get(i).layer().record(pass, x, skip);
            kept.push(new NDList(results.subList(1, results.size())));
            return results.get(0);
        }

        /** Keeps the states of the layers of {@code block}, up to before the step {@code end}. */
        private void again(Block block, int end) {
            try (NDList inputs = block.inputs()) {
                NDArray h = inputs.get(0);
                int taken = 1;
                for (int i = block.begin(); i < end; i++) {
                    NDArray y = record(i, h, steps.get(i).takes() ? inputs.get(taken++) : null);
                    h.close();
                    h = y;
                }
                h.close();
            }
        }

        public NDArray output() {
            return output;
        }

        /** From the output's gradient, which is closed, to that of the first recorded step's input; works once. */
        public NDArray backward(NDArray dy) {
            Deque<NDArray> stack = new ArrayDeque<>();
            NDArray d = dy;
            for (int i = steps.size() - 1; i >= first; i--) {
                Step step = steps.get(i);
                if (step.leaves()) {
                    try (NDArray skipped = stack.pop()) {
                        ADD.call(pass.scope(), d, skipped).close();
                    }
                }
                if (kept.isEmpty()) {
                    again(blocks.pop(), i + 1);
                }
                NDArray before = d;
                try (NDList state = kept.pop()) {
                    NDList gradients = step.layer().backward(pass, before, state);
                    d = gradients.get(0);
                    if (step.takes()) {
                        stack.push(gradients.get(1));
                    }
                }
                before.close();
            }
            stack.forEach(NDArray::close);
            return d;
        }
    }
}
