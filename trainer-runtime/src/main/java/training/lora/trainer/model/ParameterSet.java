package training.lora.trainer.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.SafeTensors;

/** The weights of a network: declared while it is built, checked all at once against a file, then read. */
final class ParameterSet {
    private final List<Parameter> parameters = new ArrayList<>();

    Parameter declare(String name, long... shape) {
        Parameter parameter = new Parameter(name, shape);
        parameters.add(parameter);
        return parameter;
    }

    /** Weight and bias of {@code name}. */
    Parameter[] withBias(String name, long... shape) {
        return new Parameter[] {declare(name + ".weight", shape), declare(name + ".bias", shape[0])};
    }

    /** All that were declared. */
    List<Parameter> all() {
        return Collections.unmodifiableList(parameters);
    }

    /**
     * Reads every weight as fp32 into {@code manager}.
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
            NDArray values = file.read(String.valueOf(names.apply(parameter.name())), manager);
            Shape shape = new Shape(parameter.shape());
            if (values.getShape().equals(shape)) {
                parameter.bind(values);
            } else {
                try (values) {
                    parameter.bind(values.reshape(shape));
                }
            }
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
            parameter.bind(values);
        }
    }

    /** Linear weights are stored as 1x1 convolutions in some files. */
    private static long[] squeezed(long[] shape) {
        return shape.length == 4 && shape[2] == 1 && shape[3] == 1 ? Arrays.copyOf(shape, 2) : shape;
    }
}
