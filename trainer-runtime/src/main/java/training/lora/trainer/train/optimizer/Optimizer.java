package training.lora.trainer.train.optimizer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.BitSet;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.api.OptimizerSpec;
import training.lora.trainer.tensor.Copy;
import training.lora.trainer.tensor.TorchScript;

/**
 * Moves a flat array of parameters (n) by their gradient, in place; nothing of a step is read back, so that nothing
 * waits for it. What the next step depends on is {@link #state} and the step's {@link Rates} alone.
 */
public abstract sealed class Optimizer implements AutoCloseable
        permits AdamW, AdamW8bit, Factored, Lion, Prodigy, ScheduleFree, ProdigyScheduleFree {
    /** The distance d that optimizers begin at which find their rate; prodigyopt's d0. It divides what would be too small for fp32. */
    public static final double FIRST_DISTANCE = 1e-6;

    /** torch's clip_grad_norm_ adds it to the norm. */
    static final double NORM_EPSILON = 1e-6;

    /**
     * How a step's TorchScript begins: {@code n} is the 2-norm of the gradient {@code g} over all parameters, and g is
     * scaled down to a norm of {@code k[0]}, as torch's clip_grad_norm_ does it.
     */
    private static final String CLIP = """
            n = torch.norm(g)
            _0 = torch.mul_(g, torch.clamp_max(torch.div(k[0], torch.add(n, %s)), 1.))
            """.formatted(NORM_EPSILON);

    /** A step in which nothing moves. */
    private static final TorchScript REST = TorchScript.compile("g", """
            n = torch.norm(g)
            _0 = torch.zero_(g)
            return n
            """);

    private final Map<String, NDArray> state = new LinkedHashMap<>();

    /** Of what it keeps beside the parameters. */
    private final NDManager manager;

    private @Nullable MovingAverage average;

    private final Map<BitSet, TorchScript> scripts = new HashMap<>();

    final ParameterTable table;

    final NDArray parameters;

    /** @param parameters (n), fp32, as {@code table} says */
    Optimizer(ParameterTable table, NDArray parameters, NDManager parent) {
        if (parameters.size() != table.size()) {
            throw new IllegalArgumentException(
                    "the table must be of %d parameters, but is of %d".formatted(parameters.size(), table.size()));
        }
        this.table = table;
        this.parameters = parameters;
        this.manager = parent.newSubManager();
        state.put("parameters", parameters);
    }

    /** Zeros beside each parameter (n), which are kept as {@code name}. */
    final NDArray zeros(String name) {
        return keep(name, manager.zeros(parameters.getShape()));
    }

    /** Zeros that are kept as {@code name}. */
    final NDArray zeros(String name, long size, DataType type) {
        return keep(name, manager.zeros(new Shape(size), type));
    }

    /** An array that lives as long as this and is no part of its state. */
    final NDArray own(NDArray array) {
        array.attach(manager);
        return array;
    }

    /** An array of any shape and type that is kept as {@code name}. */
    final NDArray keep(String name, NDArray array) {
        array.attach(manager);
        state.put(name, array);
        return array;
    }

    /**
     * The optimizer that {@code settings} ask for.
     *
     * @param table what lies in {@code parameters}, and how it moves
     * @param parameters (n), fp32
     */
    public static Optimizer of(OptimizerSpec settings, ParameterTable table, NDArray parameters, NDManager parent) {
        return switch (settings.type()) {
            case AdamW -> new AdamW(table, parameters, settings, parent);
            case AdamW8bit -> new AdamW8bit(table, parameters, settings, parent);
            case Adafactor, CAME -> new Factored(table, parameters, settings, parent);
            case Lion -> new Lion(table, parameters, settings, parent);
            case ScheduleFreeAdamW -> new ScheduleFree(table, parameters, settings, parent);
            case ProdigyScheduleFree -> new ProdigyScheduleFree(table, parameters, settings, parent);
            case Prodigy -> new Prodigy(table, parameters, settings, Prodigy.Variant.DIFFUSION, parent);
        };
    }

    /** An array that begins with the distance d by which rates are multiplied; null where none is found. */
    @Nullable NDArray found() {
        return null;
    }

    /** What lies in the parameters, and how it moves. */
    public final ParameterTable table() {
        return table;
    }

    /**
     * Moves the parameters.
     *
     * @param gradient (n); zero afterwards
     * @param rates of the table's groups
     * @return the norm, before it was scaled, of the gradient of what moves, or of all if nothing does; a scalar in
     *     {@code scope}
     */
    public final NDArray step(NDArray gradient, Rates rates, NDManager scope) {
        if (rates.groups().size() != table.groups().size()) {
            throw new IllegalArgumentException("a step must have the rates of %d groups, has %s"
                    .formatted(table.groups().size(), rates));
        }
        return rates.moving() ? move(gradient, rates, scope) : rest(gradient, scope);
    }

    /** Takes what a step came to, and what else was done to the parameters since, into the average, where there is one. */
    final void average(Rates rates, NDManager scope) {
        if (average != null) {
            average.step(parameters, rates.step(), scope);
        }
    }

    /** As {@link #step}, where a group moves. */
    abstract NDArray move(NDArray gradient, Rates rates, NDManager scope);

    /** A step that leaves all as it is. */
    static NDArray rest(NDArray gradient, NDManager scope) {
        return REST.call(scope, gradient);
    }

    /** The script of a step in which the groups move that {@code rates} say. */
    final TorchScript script(Rates rates) {
        BitSet moving = new BitSet();
        for (int group = 0; group < table.groups().size(); group++) {
            moving.set(group, rates.groups().get(group).moving());
        }
        return scripts.computeIfAbsent(moving, m -> {
            List<ParameterTable.Run> runs = table.runs();
            StringBuilder begin = new StringBuilder("k = torch.unbind(c, 0)\n");
            runs.stream().filter(run -> !m.get(run.group())).forEach(run -> begin.append("_0 = torch.zero_(")
                    .append(run.of("g"))
                    .append(")\n"));
            return compile(
                    begin + CLIP,
                    runs.stream().filter(run -> m.get(run.group())).toList());
        });
    }

    /**
     * A step's script; of its inputs {@code g} is the gradient and {@code c} the step's numbers, of which the first is the
     * greatest norm.
     *
     * @param clip lines that begin it: k is what c holds, n the gradient's norm; they scale the gradient
     * @param moving the runs that move; the others' gradients are zero by then
     */
    abstract TorchScript compile(String clip, List<ParameterTable.Run> moving);

    /** Keeps a moving average of the parameters, which is what is put out, and which a state holds. */
    public final Optimizer averaged(double decay) {
        average = new MovingAverage(keep("average", parameters.duplicate()), decay);
        return this;
    }

    /**
     * What checkpoints, pictures and measurements are of, (n): the parameters themselves, or a copy that is up to date until
     * the next step. Nothing in the parameters changes for it.
     */
    public final NDArray output() {
        return average == null ? current() : average.values();
    }

    /** The same without an average. */
    NDArray current() {
        return parameters;
    }

    /** All that the next step depends on but its rates: parameters and what else, by name. */
    public final Map<String, NDArray> state() {
        return Collections.unmodifiableMap(state);
    }

    /**
     * Puts back what {@link #state} gave.
     *
     * @param from arrays of the same names and shapes
     */
    public final void restore(Map<String, NDArray> from) {
        state.forEach((name, array) -> Copy.into(array, Objects.requireNonNull(from.get(name), name)));
    }

    @Override
    public final void close() {
        manager.close();
    }
}
