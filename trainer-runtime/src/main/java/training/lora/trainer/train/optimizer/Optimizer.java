package training.lora.trainer.train.optimizer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import training.lora.api.OptimizerSpec;
import training.lora.trainer.tensor.Copy;

/**
 * Moves a flat array of parameters (n) by their gradient, in place; nothing of a step is read back, so that nothing
 * waits for it. All that the next step depends on is in {@link #state}.
 */
public abstract sealed class Optimizer implements AutoCloseable permits AdamW, Prodigy {
    /** torch's clip_grad_norm_ adds it to the norm. */
    static final double NORM_EPSILON = 1e-6;

    /**
     * How a step's TorchScript begins: {@code n} is the 2-norm of the gradient {@code g} over all parameters, and g is
     * scaled down to a norm of {@code k[0]}, as torch's clip_grad_norm_ does it.
     */
    static final String CLIP = """
            n = torch.norm(g)
            _0 = torch.mul_(g, torch.clamp_max(torch.div(k[0], torch.add(n, %s)), 1.))
            """.formatted(NORM_EPSILON);

    private final Map<String, NDArray> state = new LinkedHashMap<>();

    /** Of what it keeps beside the parameters. */
    private final NDManager manager;

    final NDArray parameters;

    /** Steps done. */
    int steps;

    /** @param parameters (n), fp32 */
    Optimizer(NDArray parameters, NDManager parent) {
        this.parameters = parameters;
        this.manager = parent.newSubManager();
        state.put("parameters", parameters);
    }

    /** Zeros beside each parameter (n), which are kept as {@code name}. */
    final NDArray zeros(String name) {
        return keep(name, manager.zeros(parameters.getShape()));
    }

    /** An array that is kept as {@code name}. */
    final NDArray keep(String name, NDArray array) {
        array.attach(manager);
        state.put(name, array);
        return array;
    }

    /**
     * The optimizer that {@code settings} ask for, over {@code parameters} (n), fp32.
     *
     * @param textOffset where those of text encoders begin, n if there are none
     */
    public static Optimizer of(OptimizerSpec settings, NDArray parameters, long textOffset, NDManager parent) {
        Groups groups = Groups.of(settings, parameters.size(), textOffset);
        return switch (settings.type()) {
            case AdamW -> new AdamW(parameters, groups, settings, parent);
            case Prodigy -> new Prodigy(parameters, groups, settings, Prodigy.Variant.DIFFUSION, parent);
        };
    }

    /**
     * Moves the parameters.
     *
     * @param gradient (n); zero afterwards
     * @return the gradient's norm before it was scaled, a scalar in {@code scope}
     */
    public abstract NDArray step(NDArray gradient, double learningRate, NDManager scope);

    /** All that the next step depends on but the number of steps: parameters and what else, by name. */
    public final Map<String, NDArray> state() {
        return Collections.unmodifiableMap(state);
    }

    /**
     * Puts back what {@link #state} gave after {@code done} steps.
     *
     * @param from arrays of the same names and shapes
     */
    public final void restore(Map<String, NDArray> from, int done) {
        state.forEach((name, array) -> Copy.into(array, Objects.requireNonNull(from.get(name), name)));
        steps = done;
    }

    @Override
    public final void close() {
        manager.close();
    }
}
