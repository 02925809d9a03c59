package training.lora.trainer.tensor;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.annotation.JsonInclude;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.zip.GZIPOutputStream;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;

/**
 * The native functions of a step in their order, with what each is given: enough to run it again where there is no Java.
 * Tensors have numbers; one is an {@link Outer} or what one call returns.
 *
 * @param about what was recorded, for who reads it
 * @param texts modules in TorchScript's printed form
 * @param outers what calls are given that no call returns
 * @param calls in their order
 * @param after values of outer tensors after the step, by name; of those that were recorded with values
 */
public record StepRecording(
        Map<String, Object> about,
        List<String> texts,
        List<Outer> outers,
        List<Call> calls,
        Map<String, List<Float>> after) {
    /** What an outer tensor is. */
    public enum Kind {
        /** A weight of the network, which no call writes to. */
        Weight,
        /** What the step works on or changes, by a name of the recorder's. */
        State,
        /** Numbers that the host brings at each step. */
        Host
    }

    /**
     * A tensor that comes from outside.
     *
     * @param at number of the call before which it comes
     * @param type libtorch's number
     * @param values in the order of the shape; null where they are left out
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Outer(
            int id,
            int at,
            Kind kind,
            String name,
            long type,
            List<Long> shape,
            List<Long> strides,
            @Nullable List<Float> values) {}

    /**
     * A call.
     *
     * @param text number of its text
     * @param released tensors that were let go before it
     */
    public record Call(int text, List<Integer> inputs, List<Integer> outputs, List<Integer> released) {}

    /** The outer tensor {@code name}. */
    public Outer outer(String name) {
        return outers.stream()
                .filter(o -> o.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new AssertionError(name));
    }

    /** Writes it as JSON in gzip. */
    public void write(Path file) throws IOException {
        try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(file))) {
            Json.MAPPER.writeValue(out, this);
        }
    }

    /**
     * Runs the calls again, by nothing but what is recorded, as CPUs have the functions; all outer tensors must have values.
     *
     * @return the outer tensors by name, in {@code scope}
     */
    public Map<String, NDArray> replay(NDManager scope) {
        Map<Integer, NDArray> tensors = new HashMap<>();
        Map<String, NDArray> named = new HashMap<>();
        for (int i = 0; i < calls.size(); i++) {
            for (Outer outer : outers) {
                if (outer.at() == i) {
                    NDArray array = array(outer, scope);
                    tensors.put(outer.id(), array);
                    named.put(outer.name(), array);
                }
            }
            Call call = calls.get(i);
            call.released().forEach(id -> Objects.requireNonNull(tensors.remove(id), "a tensor to let go"));
            NDList inputs = new NDList();
            call.inputs().forEach(id -> inputs.add(Objects.requireNonNull(tensors.get(id), "an input")));
            NDList outputs = CardScripts.asOnCard(texts.get(call.text())).run(inputs);
            outputs.attach(scope);
            for (int k = 0; k < outputs.size(); k++) {
                tensors.put(call.outputs().get(k), outputs.get(k));
            }
        }
        return named;
    }

    private static NDArray array(Outer outer, NDManager scope) {
        List<Float> values = Objects.requireNonNull(outer.values(), outer.name());
        float[] floats = new float[values.size()];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = values.get(i);
        }
        long[] shape = outer.shape().stream().mapToLong(n -> n).toArray();
        return TorchScript.compile("x", """
                        y = torch.empty_strided(annotate(List[int], %s), annotate(List[int], %s), dtype=%d, layout=None, device=ops.prim.device(x))
                        return torch.copy_(y, x)
                        """.formatted(outer.shape(), outer.strides(), outer.type()))
                .call(scope, scope.create(floats, new Shape(shape)));
    }
}
