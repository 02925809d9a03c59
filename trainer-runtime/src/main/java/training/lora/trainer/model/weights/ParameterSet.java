package training.lora.trainer.model.weights;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import training.lora.api.Precision;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.SafeTensors;
import training.lora.trainer.tensor.TorchScript;

/** The weights of a network: declared while it is built, checked all at once against a file, then read. */
public final class ParameterSet {
    private final Numbers numbers;
    private final boolean channelsLast;
    private final Device device;
    private final Set<String> onHost;
    private final HostMemory host;
    private final List<Parameter> parameters = new ArrayList<>();
    private @Nullable WeightChanges changes;

    /** Weights in fp32, as files have them; {@code device} as below. */
    public ParameterSet(Device device) {
        this(Numbers.SINGLE, false, device);
    }

    /**
     * @param channelsLast whether convolutions' weights lie in memory as (out, height, width, in)
     * @param device where they will be, which decides how a layer is computed
     */
    public ParameterSet(Numbers numbers, boolean channelsLast, Device device) {
        this(numbers, channelsLast, device, Set.of());
    }

    /** @param onHost names of weights of linear maps and convolutions that stay in the host's memory */
    public ParameterSet(Numbers numbers, boolean channelsLast, Device device, Set<String> onHost) {
        this.numbers = numbers;
        this.channelsLast = channelsLast;
        this.device = device;
        this.onHost = Set.copyOf(onHost);
        this.host = new HostMemory(device);
    }

    /** That layers compute in. */
    public Precision precision() {
        return numbers.computed();
    }

    /** Where they will be. */
    public Device device() {
        return device;
    }

    /** The weight of a linear map or convolution, or a bias. */
    public Parameter declare(String name, long... shape) {
        return shape.length > 1
                ? add(new Parameter(name, numbers, onHost.contains(name), shape))
                : add(new Parameter(name, numbers.inFull(), false, shape));
    }

    /** Embeddings, of {@code shape} (number, width), of which a few are read at a time: always in full, as they are used. */
    public Parameter embeddings(String name, long... shape) {
        return add(new Parameter(name, numbers.asUsed(), false, shape));
    }

    private Parameter add(Parameter parameter) {
        parameters.add(parameter);
        return parameter;
    }

    /** Weight and bias of {@code name}. */
    public Parameter[] withBias(String name, long... shape) {
        return new Parameter[] {declare(name + ".weight", shape), declare(name + ".bias", shape[0])};
    }

    /** Scale and shift of the norm {@code name} over {@code width} channels. */
    public Parameter[] norm(String name, long width) {
        return new Parameter[] {
            add(new Parameter(name + ".weight", Numbers.SINGLE, false, width)),
            add(new Parameter(name + ".bias", Numbers.SINGLE, false, width))
        };
    }

    /** The values of a weight that was read, as layers use them: its own, or where they are remade or on the host, in {@code scope}. */
    public NDArray values(String name, NDManager scope) {
        Parameter parameter = parameters.stream()
                .filter(p -> p.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException(name + " must be a weight of the network"));
        if (!parameter.onHost()) {
            return parameter.values(scope);
        }
        List<NDArray> kept = new ArrayList<>(parameter.arrays());
        kept.set(0, host.brought(kept.get(0), scope));
        return parameter.used(kept, scope);
    }

    /**
     * Which weights of linear maps and convolutions are to stay on the host for at least {@code share} of their numbers, from
     * the last that was declared backwards.
     *
     * @param share from 0 to 1
     */
    public Set<String> fromTheEnd(double share) {
        List<Parameter> matrices =
                parameters.stream().filter(p -> p.shape().length > 1).toList();
        double wanted = share * matrices.stream().mapToLong(Parameter::size).sum();
        Set<String> names = new HashSet<>();
        double taken = 0;
        for (int i = matrices.size() - 1; i >= 0 && taken < wanted; i--) {
            names.add(matrices.get(i).name());
            taken += matrices.get(i).size();
        }
        return names;
    }

    /** All that were declared. */
    public List<Parameter> all() {
        return Collections.unmodifiableList(parameters);
    }

    /** Changes weights while they are read. */
    public void change(WeightChanges with) {
        changes = with;
    }

    /**
     * Reads every weight into {@code manager}.
     *
     * @param names finds a weight's name in the file, or null if the file lacks it
     * @throws TrainerException InvalidBaseModel, with every missing weight and every wrong shape
     */
    public void load(SafeTensors file, Function<String, @Nullable String> names, NDManager manager) {
        load(file, new Plain(names), manager);
    }

    /** The weights of a config.json under names of their own. */
    private record Plain(Function<String, @Nullable String> names) implements Layout {
        @Override
        public @Nullable Stored place(String name) {
            String key = names.apply(name);
            return key == null ? null : Stored.whole(key);
        }

        @Override
        public String description() {
            return "that its config.json describes";
        }

        @Override
        public boolean owns(String key) {
            return false;
        }
    }

    /**
     * Reads every weight into {@code manager}, a tensor of the file at a time.
     *
     * @throws TrainerException InvalidBaseModel, with every missing weight, wrong shape and tensor that is left over
     */
    public void load(SafeTensors file, Layout layout, NDManager manager) {
        check(file, layout);
        for (Parameter parameter : parameters) {
            Stored stored = Objects.requireNonNull(layout.place(parameter.name()));
            NDManager owner = owner(parameter, manager);
            file.read(stored.key(), owner, values -> bind(parameter, stored, values, owner));
        }
    }

    /** The same without reading. */
    public void check(SafeTensors file, Function<String, @Nullable String> names) {
        check(file, new Plain(names));
    }

    /** The same without reading. */
    public void check(SafeTensors file, Layout layout) {
        List<String> problems = new ArrayList<>();
        Set<String> types = new TreeSet<>();
        Set<String> used = new HashSet<>();
        for (Parameter parameter : parameters) {
            Stored stored = layout.place(parameter.name());
            SafeTensors.Entry entry = stored == null ? null : file.entries().get(stored.key());
            if (stored == null || entry == null) {
                problems.add(parameter.name() + " is missing");
                continue;
            }
            used.add(stored.key());
            types.add(entry.dtype());
            long[] wanted = stored.shape(parameter.shape());
            if (!Arrays.equals(squeezed(entry.shape()), squeezed(wanted))) {
                problems.add(parameter.name() + " must have shape " + Arrays.toString(wanted) + ", had "
                        + Arrays.toString(entry.shape()));
            }
        }
        file.entries().keySet().stream()
                .filter(key -> layout.owns(key) && !used.contains(key))
                .forEach(key -> problems.add(key + " is left over"));
        types.removeAll(SafeTensors.FLOATS);
        if (!types.isEmpty()) {
            problems.add("weights must be of type F64, F32, F16 or BF16, but some are " + String.join(", ", types));
        }
        if (!problems.isEmpty()) {
            throw new TrainerException(
                    Reason.InvalidBaseModel,
                    "%s must hold the weights %s: %s"
                            .formatted(file.file(), layout.description(), String.join("; ", problems)));
        }
    }

    /** Binds what a file stores as {@code values}, and returns it. */
    private NDArray bind(Parameter parameter, Stored stored, NDArray values, NDManager manager) {
        if (stored.transposed()) {
            try (NDArray turned = values.transpose()) {
                return bind(parameter, turned, manager);
            }
        }
        if (stored.parts() == 1) {
            return bind(parameter, values, manager);
        }
        long rows = parameter.shape()[0];
        try (NDArray part = values.get("%d:%d".formatted(stored.part() * rows, (stored.part() + 1) * rows))) {
            return bind(parameter, part, manager);
        }
    }

    /** Binds a copy in the parameter's own shape, precision, form and order in memory, and returns it. */
    private NDArray bind(Parameter parameter, NDArray values, NDManager manager) {
        String format = channelsLast && parameter.shape().length == 4 ? "2" : "0";
        String type = parameter.precision() == Precision.BFloat16 ? "15" : "6";
        try (NDArray shaped = values.reshape(new Shape(parameter.shape()));
                NDManager scope = manager.newSubManager()) {
            NDArray weight = changes == null || !changes.affects(parameter.name())
                    ? shaped
                    : changes.changed(parameter.name(), shaped, scope);
            if (parameter.quantized()) {
                NDList quantized = Quantized.quantized(weight, parameter.form(), type, format, manager);
                NDArray numbers = parameter.onHost() ? host.pinned(quantized.get(0)) : quantized.get(0);
                NDArray scales = quantized.get(1);
                if (parameter.onHost()) {
                    try (NDArray own = scales) {
                        scales = host.brought(own);
                    }
                }
                parameter.bind(numbers, scales);
                return numbers;
            }
            NDArray copy = TorchScript.compile(
                            "x", "return torch.to(x, %s, False, True, memory_format=%s)".formatted(type, format))
                    .call(manager, weight);
            NDArray kept = parameter.onHost() ? host.pinned(copy) : copy;
            parameter.bind(kept);
            return kept;
        }
    }

    /** Who owns a weight's values: {@code manager}, or one of the host's memory within it. */
    private NDManager owner(Parameter parameter, NDManager manager) {
        return parameter.onHost() ? host.in(manager) : manager;
    }

    /** Values at random, scaled so that activations keep their size: for tests and benchmarks without a file. */
    public void random(long seed, NDManager manager) {
        long i = 0;
        for (Parameter parameter : parameters) {
            Shape shape = new Shape(parameter.shape());
            long fanIn = shape.size() / shape.get(0);
            NDManager owner = owner(parameter, manager);
            NDArray values = Randomness.normal(owner, Randomness.derive(seed, i++, "weights"), shape);
            values.muli(shape.dimension() == 1 ? 0.02 : 1 / Math.sqrt(fanIn));
            if (shape.dimension() == 1 && parameter.name().endsWith("weight")) {
                values.addi(1);
            }
            try (values) {
                bind(parameter, values, owner);
            }
        }
    }

    /** Linear weights are stored as 1x1 convolutions in some files. */
    private static long[] squeezed(long[] shape) {
        return shape.length == 4 && shape[2] == 1 && shape[3] == 1 ? Arrays.copyOf(shape, 2) : shape;
    }
}
