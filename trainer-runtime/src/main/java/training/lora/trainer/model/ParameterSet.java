package training.lora.trainer.model;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import training.lora.api.Precision;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.SafeTensors;
import training.lora.trainer.tensor.TorchScript;

/** The weights of a network: declared while it is built, checked all at once against a file, then read. */
final class ParameterSet {
    private final Precision precision;
    private final boolean channelsLast;
    private final Device device;
    private final List<Parameter> parameters = new ArrayList<>();

    /** Weights in fp32, as files have them; {@code device} as below. */
    ParameterSet(Device device) {
        this(Precision.Float32, false, device);
    }

    /**
     * @param precision of all weights but those of norms, which are always fp32
     * @param channelsLast whether convolutions' weights lie in memory as (out, height, width, in)
     * @param device where they will be, which decides how a layer is computed
     */
    ParameterSet(Precision precision, boolean channelsLast, Device device) {
        this.device = device;
        this.precision = precision;
        this.channelsLast = channelsLast;
    }

    /** Of all weights but those of norms. */
    Precision precision() {
        return precision;
    }

    /** Where they will be. */
    Device device() {
        return device;
    }

    Parameter declare(String name, long... shape) {
        return add(new Parameter(name, precision, shape));
    }

    private Parameter add(Parameter parameter) {
        parameters.add(parameter);
        return parameter;
    }

    /** Weight and bias of {@code name}. */
    Parameter[] withBias(String name, long... shape) {
        return new Parameter[] {declare(name + ".weight", shape), declare(name + ".bias", shape[0])};
    }

    /** Scale and shift of the norm {@code name} over {@code width} channels. */
    Parameter[] norm(String name, long width) {
        return new Parameter[] {
            add(new Parameter(name + ".weight", Precision.Float32, width)),
            add(new Parameter(name + ".bias", Precision.Float32, width))
        };
    }

    /** All that were declared. */
    List<Parameter> all() {
        return Collections.unmodifiableList(parameters);
    }

    /**
     * Reads every weight into {@code manager}.
     *
     * @param names finds a weight's name in the file, or null if the file lacks it
     * @throws TrainerException InvalidBaseModel, with every missing weight and every wrong shape
     */
    void load(SafeTensors file, Function<String, @Nullable String> names, NDManager manager) {
        List<String> problems = new ArrayList<>();
        for (Parameter parameter : parameters) {
            String key = names.apply(parameter.name());
            SafeTensors.Entry entry = key == null ? null : file.entries().get(key);
            if (entry == null) {
                problems.add(parameter.name() + " is missing");
            } else if (!Arrays.equals(squeezed(entry.shape()), squeezed(parameter.shape()))) {
                problems.add(parameter.name() + " must have shape " + Arrays.toString(parameter.shape()) + ", had "
                        + Arrays.toString(entry.shape()));
            }
        }
        if (!problems.isEmpty()) {
            throw new TrainerException(
                    Reason.InvalidBaseModel,
                    file.file() + " must hold the weights that its config.json describes: "
                            + String.join("; ", problems));
        }
        for (Parameter parameter : parameters) {
            parameter.bind(file.read(
                    String.valueOf(names.apply(parameter.name())),
                    manager,
                    values -> convert(parameter, values, manager)));
        }
    }

    /** A copy in the parameter's own shape, precision and order in memory. */
    private NDArray convert(Parameter parameter, NDArray values, NDManager manager) {
        String format = channelsLast && parameter.shape().length == 4 ? "2" : "0";
        String type = parameter.precision() == Precision.BFloat16 ? "15" : "6";
        TorchScript convert = TorchScript.compile(
                "x", "return torch.to(x, %s, False, True, memory_format=%s)".formatted(type, format));
        try (NDArray shaped = values.reshape(new Shape(parameter.shape()))) {
            return convert.call(manager, shaped);
        }
    }

    /** Values at random, scaled so that activations keep their size: for tests and benchmarks without a file. */
    void random(long seed, NDManager manager) {
        long i = 0;
        for (Parameter parameter : parameters) {
            Shape shape = new Shape(parameter.shape());
            long fanIn = shape.size() / shape.get(0);
            NDArray values = Randomness.normal(manager, Randomness.derive(seed, i++, "weights"), shape);
            values.muli(shape.dimension() == 1 ? 0.02 : 1 / Math.sqrt(fanIn));
            if (shape.dimension() == 1 && parameter.name().endsWith("weight")) {
                values.addi(1);
            }
            try (values) {
                parameter.bind(convert(parameter, values, manager));
            }
        }
    }

    /** Linear weights are stored as 1x1 convolutions in some files. */
    private static long[] squeezed(long[] shape) {
        return shape.length == 4 && shape[2] == 1 && shape[3] == 1 ? Arrays.copyOf(shape, 2) : shape;
    }
}
