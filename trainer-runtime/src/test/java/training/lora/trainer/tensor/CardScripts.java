package training.lora.trainer.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;
import java.util.stream.LongStream;

/**
 * Runs functions as a card would, on a machine without one: their branches for cards are taken, and the attention that
 * CPUs have no kernel for is computed by its formula. Of tensors that have no values it finds the results' shapes. All
 * inputs of a function must be on one device, and it must make no tensor on another.
 */
public final class CardScripts implements AutoCloseable {
    /** A call makes a tensor on the CPU if it isn't told where. */
    private static final Pattern CREATION = Pattern.compile(
            "torch\\.(arange|zeros|ones|full|empty|eye|linspace|tensor|scalar_tensor|rand|randn|randint|normal)\\((?![^\\n]*device=)");

    private static final Pattern ARGUMENT = Pattern.compile("(\\w+): Tensor");

    /** How a function calls a weight that stays on the host. */
    private static final String ON_HOST = "_h";

    private static final Pattern FORWARD = Pattern.compile(
            "( *)(\\w+), (\\w+), (\\w+), (\\w+), \\w+, \\w+ = torch\\._efficient_attention_forward\\((\\w+), (\\w+), (\\w+), None, None, None, None, None, 0\\., (\\d), True, scale=([\\w.-]+)\\)");

    private static final Pattern BACKWARD = Pattern.compile(
            "( *)(\\w+), (\\w+), (\\w+), \\w+ = torch\\._efficient_attention_backward\\((\\w+), (\\w+), (\\w+), (\\w+), None, (\\w+), None, None, [^\\n]*, (\\w+), 0\\., \\w+, \\w+, (\\d), False, scale=([\\w.-]+)\\)");

    /** q k^T (B, H, T, S), scaled and masked; {@code %1$s}: numbers of the groups of mask and scale. */
    private static final String LOGITS = """
            $1z = torch.mul(torch.matmul(torch.transpose(torch.to($6, 6), 1, 2), torch.permute(torch.to($7, 6), [0, 2, 3, 1])), $%2$d)
            $1later = torch.mul(torch.triu(torch.ones_like(z), 1), $%1$d)
            $1z = torch.masked_fill(z, torch.gt(later, 0.), -1.0e30)
            """;

    private static final String FORWARD_FORMULA = LOGITS.formatted(9, 10) + """
            $1$3 = torch.logsumexp(z, [-1])
            $1$2 = torch.type_as(torch.contiguous(torch.transpose(torch.matmul(torch.softmax(z, -1), torch.transpose(torch.to($8, 6), 1, 2)), 1, 2)), $6)
            $1$4 = torch.sum($3)
            $1$5 = torch.sum($3)""";

    private static final String BACKWARD_FORMULA = LOGITS.formatted(11, 12) + """
            $1p = torch.exp(torch.sub(z, torch.unsqueeze($10, -1)))
            $1dy = torch.transpose(torch.to($5, 6), 1, 2)
            $1rows = torch.sum(torch.mul(dy, torch.transpose(torch.to($9, 6), 1, 2)), [-1], True)
            $1dp = torch.matmul(dy, torch.permute(torch.to($8, 6), [0, 2, 3, 1]))
            $1dz = torch.mul(torch.mul(p, torch.sub(dp, rows)), $12)
            $1$2 = torch.type_as(torch.transpose(torch.matmul(dz, torch.transpose(torch.to($7, 6), 1, 2)), 1, 2), $6)
            $1$3 = torch.type_as(torch.transpose(torch.matmul(torch.transpose(dz, 2, 3), torch.transpose(torch.to($6, 6), 1, 2)), 1, 2), $6)
            $1$4 = torch.type_as(torch.transpose(torch.matmul(torch.transpose(p, 2, 3), dy), 1, 2), $6)""";

    private static final TorchScript TYPE = TorchScript.compile("x", "return torch.tensor(ops.prim.dtype(x))");

    private static final TorchScript STRIDES = TorchScript.compile("x", "return torch.tensor(torch.stride(x))");

    private static final TorchScript ZEROS = TorchScript.compile(
            "x",
            "return torch.zero_(torch.empty_strided(torch.size(x), torch.stride(x), dtype=ops.prim.dtype(x), layout=None, device=torch.device(\"cpu\")))");

    private static final TorchScript WITHOUT_VALUES = TorchScript.compile(
            "x",
            "return torch.empty_strided(torch.size(x), torch.stride(x), dtype=ops.prim.dtype(x), layout=None, device=torch.device(\"meta\"))");

    private final Map<String, List<Input>> seen = Collections.synchronizedMap(new LinkedHashMap<>());

    /**
     * A function's input.
     *
     * @param type libtorch's number of its type
     */
    public record Input(long type, List<Long> shape, List<Long> strides) {}

    /** A function with what it was given. */
    private record Called(String source, List<Input> inputs) {}

    private final Map<Called, NDList> shapes = new ConcurrentHashMap<>();
    private final NDManager manager = ComputeDevice.CPU.newManager();

    private CardScripts() {}

    /** From now on functions are run so, until it is closed. */
    public static CardScripts begin() {
        CardScripts scripts = new CardScripts();
        TorchScript.runner = scripts::run;
        return scripts;
    }

    /** The modules' texts that were run, each with the inputs of its first call. */
    public Map<String, List<Input>> seen() {
        return Collections.unmodifiableMap(seen);
    }

    private NDList run(TorchScript function, NDList inputs) {
        String source = function.source();
        assertThat(source).as("a kernel that only CPUs have").doesNotContain("_for_cpu");
        checkCreation(source);
        TorchScript asOnCard = asOnCard(source);
        boolean card = false;
        for (NDArray input : inputs) {
            card |= !input.getDevice().equals(Device.cpu());
        }
        List<String> names =
                ARGUMENT.matcher(source).results().map(m -> m.group(1)).toList();
        for (int i = 0; card && i < inputs.size(); i++) {
            // Numbers by themselves may be anywhere, as torch has it; what stays on the host is brought by the
            // function.
            if (inputs.get(i).getShape().dimension() > 0) {
                assertThat(inputs.get(i).getDevice().equals(Device.cpu()))
                        .as(names.get(i) + " is on the host in " + source)
                        .isEqualTo(names.get(i).endsWith(ON_HOST));
            }
        }
        List<Input> given = inputs.stream().map(CardScripts::describe).toList();
        seen.putIfAbsent(source, given);
        return card ? shapes(asOnCard, inputs, given) : asOnCard.run(inputs);
    }

    /** What a CPU can run of a module's text in the place of what a card would. */
    static TorchScript asOnCard(String source) {
        return TorchScript.of(forCard(source));
    }

    /** The text with the branches for cards, in functions that a CPU has. */
    private static String forCard(String source) {
        String taken = source.replaceAll("ops\\.prim\\.is_cuda\\(\\w+\\)", "True");
        taken = FORWARD.matcher(taken).replaceAll(FORWARD_FORMULA);
        return BACKWARD.matcher(taken).replaceAll(BACKWARD_FORMULA);
    }

    /** What the function makes of zeros, without its values; it is run once for inputs of the same shapes. */
    private NDList shapes(TorchScript function, NDList inputs, List<Input> given) {
        NDList results = new NDList();
        for (NDArray shape :
                shapes.computeIfAbsent(new Called(function.source(), given), c -> ofZeros(function, inputs))) {
            results.add(WITHOUT_VALUES.run(new NDList(shape)).singletonOrThrow());
        }
        return results;
    }

    private NDList ofZeros(TorchScript function, NDList inputs) {
        NDList zeros = new NDList();
        for (NDArray input : inputs) {
            zeros.add(ZEROS.run(new NDList(input)).singletonOrThrow());
        }
        NDList results = function.run(zeros);
        NDList made = new NDList();
        for (NDArray result : results) {
            made.add(WITHOUT_VALUES.run(new NDList(result)).singletonOrThrow());
        }
        zeros.close();
        results.close();
        // The caller's manager would let them go.
        made.attach(manager);
        return made;
    }

    /** That no function that this process has compiled makes a tensor on the CPU. */
    public static void checkAll() {
        assertThat(TorchScript.sources()).hasSizeGreaterThan(20);
        TorchScript.sources().stream()
                .filter(source -> !source.equals(TYPE.source()) && !source.equals(STRIDES.source()))
                .forEach(CardScripts::checkCreation);
    }

    private static void checkCreation(String source) {
        assertThat(CREATION.matcher(source).find())
                .as("a tensor made on the CPU in %s", source)
                .isFalse();
    }

    static Input describe(NDArray x) {
        List<Long> shape = LongStream.of(x.getShape().getShape()).boxed().toList();
        return new Input(numbers(TYPE, x).get(0), shape, shape.isEmpty() ? List.of() : numbers(STRIDES, x));
    }

    private static List<Long> numbers(TorchScript function, NDArray x) {
        try (NDArray numbers = function.run(new NDList(x)).singletonOrThrow()) {
            return LongStream.of(numbers.toLongArray()).boxed().toList();
        }
    }

    @Override
    public void close() {
        TorchScript.runner = TorchScript::run;
        manager.close();
    }
}
