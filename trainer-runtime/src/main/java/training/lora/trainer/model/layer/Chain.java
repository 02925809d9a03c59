package training.lora.trainer.model.layer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Layers one behind the other, with a stack for skip connections and residuals, which nest: what is left first is taken
 * last.
 */
public final class Chain {
    private final List<Step> steps;

    /**
     * A layer in its place.
     *
     * @param takes whether it takes the stack's top beside the output of the step before
     * @param leaves whether its output is put on the stack too
     */
    public record Step(Layer layer, boolean takes, boolean leaves) {
        public Step leaving() {
            return new Step(layer, takes, true);
        }
    }

    public Chain(List<Step> steps) {
        this.steps = List.copyOf(steps);
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
     * The same, kept from the first step that is trained: what comes before needs no gradient.
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
        private final Deque<NDList> kept = new ArrayDeque<>();
        private final NDArray output;

        private Recording(Pass pass, NDArray x, int first) {
            this.pass = pass;
            this.first = first;
            Deque<NDArray> stack = new ArrayDeque<>();
            NDArray h = x;
            for (int i = 0; i < steps.size(); i++) {
                Step step = steps.get(i);
                NDArray skip = step.takes() ? stack.pop() : null;
                NDArray y = i < first ? step.layer().forward(pass, h, skip) : keep(step.layer(), h, skip);
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

        private NDArray keep(Layer layer, NDArray x, @Nullable NDArray skip) {
            NDList results = layer.record(pass, x, skip);
            kept.push(new NDList(results.subList(1, results.size())));
            return results.get(0);
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
                        d.addi(skipped);
                    }
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
