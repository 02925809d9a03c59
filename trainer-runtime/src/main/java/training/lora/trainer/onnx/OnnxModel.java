package training.lora.trainer.onnx;

import ai.onnxruntime.NodeInfo;
import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OnnxValue;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtLoggingLevel;
import ai.onnxruntime.OrtSession;
import ai.onnxruntime.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.tensor.Threads;

/**
 * A model in an ONNX file, on the processor, with as many threads as the trainer has. Runs may be called from several
 * threads at once. Its native memory is freed by {@link #close}.
 */
public final class OnnxModel implements AutoCloseable {
    private final String field;
    private final Path file;
    private final OrtSession session;

    private OnnxModel(String field, Path file, OrtSession session) {
        this.field = field;
        this.file = file;
        this.session = session;
    }

    /**
     * Opens {@code file}, with what lies beside it as external data.
     *
     * @param field the field that names it, as in spec.preparation.mask.model.uri, for messages
     * @throws TrainerException InvalidConfiguration if it is no ONNX model, or one of a newer version than is known here
     */
    public static OnnxModel open(String field, Path file) {
        try (OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
            options.setIntraOpNumThreads(Threads.count());
            options.setInterOpNumThreads(1);
            // A waiting thread sleeps: the processors may be others'.
            options.addConfigEntry("session.intra_op.allow_spinning", "0");
            options.setSessionLogLevel(OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR);
            return new OnnxModel(field, file, environment().createSession(file.toString(), options));
        } catch (OrtException e) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`%s` must name an ONNX model, but %s can't be opened as one: %s"
                            .formatted(field, file, e.getMessage()),
                    e);
        }
    }

    private static OrtEnvironment environment() {
        return OrtEnvironment.getEnvironment(OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR, "lora-trainer");
    }

    /** Names of its inputs. */
    public Set<String> inputs() {
        return session.getInputNames();
    }

    /** Names of its outputs. */
    public Set<String> outputs() {
        return session.getOutputNames();
    }

    /**
     * The name of the only input, which takes {@code shape}.
     *
     * @throws TrainerException InvalidConfiguration if there are others, or it is of another shape: the file is not {@code what}
     */
    public String inputOf(String what, long... shape) {
        String name = inputs().iterator().next();
        long[] actual = inputShape(name);
        boolean fits = inputs().size() == 1 && actual != null && fits(actual, shape);
        if (!fits) {
            throw mismatch(
                    what,
                    "one input of the shape %s, but it has %s of %s"
                            .formatted(Arrays.toString(shape), list(inputs()), Arrays.toString(actual)));
        }
        return name;
    }

    private static boolean fits(long[] actual, long[] shape) {
        boolean fits = actual.length == shape.length;
        for (int i = 0; fits && i < shape.length; i++) {
            fits = actual[i] == shape[i] || actual[i] < 0;
        }
        return fits;
    }

    /**
     * The name of the output with so many numbers.
     *
     * @throws TrainerException InvalidConfiguration if there is none: the file is not {@code what}
     */
    public String outputOf(String what, long numbers) {
        try {
            for (Map.Entry<String, NodeInfo> output : session.getOutputInfo().entrySet()) {
                if (output.getValue().getInfo() instanceof TensorInfo tensor && count(tensor.getShape()) == numbers) {
                    return output.getKey();
                }
            }
        } catch (OrtException e) {
            throw failed(e);
        }
        throw mismatch(what, "an output of %d numbers, but it has %s".formatted(numbers, list(outputs())));
    }

    /** That of one of a batch where the batch may vary. */
    private static long count(long[] shape) {
        long count = 1;
        for (long size : shape) {
            count *= Math.abs(size);
        }
        return count;
    }

    /** The shape of an input: -1 where it may vary; null where there is no such input, or it is no tensor. */
    public long @Nullable [] inputShape(String name) {
        try {
            NodeInfo input = session.getInputInfo().get(name);
            return input != null && input.getInfo() instanceof TensorInfo tensor ? tensor.getShape() : null;
        } catch (OrtException e) {
            throw failed(e);
        }
    }

    /**
     * Sees to it that it is a model of the kind that is asked for.
     *
     * @param what it must be, as in "a CLIPSeg model"
     * @throws TrainerException InvalidConfiguration if it has other inputs than {@code inputs}, or lacks an output
     */
    public void require(String what, Collection<String> inputs, Collection<String> outputs) {
        if (!inputs().equals(Set.copyOf(inputs)) || !outputs().containsAll(outputs)) {
            throw mismatch(
                    what,
                    "inputs %s and outputs %s, but it has %s and %s"
                            .formatted(list(inputs), list(outputs), list(inputs()), list(outputs())));
        }
    }

    /** It is of another kind than {@code what}, which must have {@code contract}. */
    public TrainerException mismatch(String what, String contract) {
        return new TrainerException(
                Reason.InvalidConfiguration,
                "`%s` must name %s: %s must have %s".formatted(field, what, file, contract));
    }

    private static String list(Collection<String> names) {
        return String.join(", ", new TreeSet<>(names));
    }

    /**
     * Computes outputs.
     *
     * @param inputs by name, all that the model has
     * @param outputs names of those that are wanted
     */
    public OnnxOutputs run(Map<String, OnnxArray> inputs, Collection<String> outputs) {
        try (OnnxKept kept = keep(inputs, outputs)) {
            Map<String, OnnxArray> arrays = new LinkedHashMap<>();
            for (String name : outputs) {
                arrays.put(name, kept.copy(name));
            }
            return new OnnxOutputs(arrays);
        }
    }

    /** The same; what is computed stays in the runtime's memory, and is the caller's to close. */
    public OnnxKept keep(Map<String, OnnxArray> inputs, Collection<String> outputs) {
        List<OnnxTensor> tensors = new ArrayList<>();
        try {
            Map<String, OnnxTensor> named = new LinkedHashMap<>();
            for (Map.Entry<String, OnnxArray> input : inputs.entrySet()) {
                if (input.getValue() instanceof OnnxHeld held) {
                    named.put(input.getKey(), held.tensor());
                    continue;
                }
                OnnxTensor tensor = tensor(input.getValue());
                tensors.add(tensor);
                named.put(input.getKey(), tensor);
            }
            return new OnnxKept(this, session.run(named, Set.copyOf(outputs)));
        } catch (OrtException e) {
            throw failed(e);
        } finally {
            tensors.forEach(OnnxTensor::close);
        }
    }

    /** Computes one output, which is of float numbers. */
    public OnnxArray.Floats run(Map<String, OnnxArray> inputs, String output) {
        OnnxArray array = run(inputs, List.of(output)).get(output);
        if (array instanceof OnnxArray.Floats floats) {
            return floats;
        }
        throw mismatch("a model of another kind", "float numbers as output " + output);
    }

    /** Brings an array to the runtime once, for many runs of any model. */
    public static OnnxHeld hold(OnnxArray array) {
        try {
            return new OnnxHeld(tensor(array), true);
        } catch (OrtException e) {
            throw new IllegalArgumentException("an array of " + Arrays.toString(array.shape()), e);
        }
    }

    private static OnnxTensor tensor(OnnxArray array) throws OrtException {
        OrtEnvironment environment = environment();
        if (array instanceof OnnxArray.Floats floats) {
            return OnnxTensor.createTensor(environment, FloatBuffer.wrap(floats.data()), floats.shape());
        }
        if (array instanceof OnnxArray.Longs longs) {
            return OnnxTensor.createTensor(environment, LongBuffer.wrap(longs.data()), longs.shape());
        }
        boolean[] data = ((OnnxArray.Booleans) array).data();
        ByteBuffer bytes = ByteBuffer.allocateDirect(data.length);
        for (boolean value : data) {
            bytes.put((byte) (value ? 1 : 0));
        }
        return OnnxTensor.createTensor(environment, bytes.flip(), array.shape(), OnnxJavaType.BOOL);
    }

    OnnxArray array(String name, OnnxValue value) {
        if (value instanceof OnnxTensor tensor) {
            long[] shape = tensor.getInfo().getShape();
            FloatBuffer floats = tensor.getFloatBuffer();
            if (floats != null) {
                float[] data = new float[floats.remaining()];
                floats.get(data);
                return new OnnxArray.Floats(data, shape);
            }
            LongBuffer longs = tensor.getLongBuffer();
            if (longs != null) {
                long[] data = new long[longs.remaining()];
                longs.get(data);
                return new OnnxArray.Longs(data, shape);
            }
        }
        throw mismatch("a model of another kind", "float numbers or 64-bit integers as output " + name);
    }

    /** Shapes or types were others than the model's: a model of another kind under the names that were asked for. */
    private TrainerException failed(OrtException e) {
        return new TrainerException(
                Reason.InvalidConfiguration,
                "`%s` must name a model of the kind that it is for, but %s refuses what it is given: %s"
                        .formatted(field, file, e.getMessage()),
                e);
    }

    @Override
    public void close() {
        try {
            session.close();
        } catch (OrtException e) {
            throw failed(e);
        }
    }
}
