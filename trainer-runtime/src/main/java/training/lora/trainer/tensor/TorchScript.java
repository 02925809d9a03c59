package training.lora.trainer.tensor;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValueUtils;
import ai.djl.pytorch.jni.JniUtils;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/**
 * A function over tensors that runs as one native call, with autograd while a gradient collector is open: what DJL's
 * API lacks (group norm, scaled-dot-product attention) and what would cost many calls. It is written in TorchScript's
 * printed form and loaded from an archive that is made in memory.
 */
public final class TorchScript {
    private static final Map<String, TorchScript> COMPILED = new ConcurrentHashMap<>();

    private static final ThreadLocal<Boolean> PREPARED = ThreadLocal.withInitial(() -> {
        // With the profiling executor the gradients of a block's first call differ in bits from its second's.
        JniUtils.setGraphExecutorOptimize(false);
        return true;
    });

    /** Pickle, protocol 2, of an empty module: only ever written here, never read from elsewhere. */
    private static final byte[] EMPTY_MODULE = concat(
            new byte[] {(byte) 0x80, 2},
            "c__torch__\nOp\n)".getBytes(StandardCharsets.US_ASCII),
            new byte[] {(byte) 0x81, '}', '(', 'X', 8, 0, 0, 0},
            "training".getBytes(StandardCharsets.US_ASCII),
            new byte[] {(byte) 0x88, 'u', 'b', '.'});

    private static final byte[] NO_CONSTANTS = {(byte) 0x80, 2, ')', '.'};

    /** How functions are run; tests put another in its place, to see what a card would be given. */
    static volatile Runner runner = TorchScript::run;

    private final String source;
    private final PtSymbolBlock module;

    /** Runs a function. */
    interface Runner {
        NDList run(TorchScript function, NDList inputs);
    }

    private TorchScript(String source, PtSymbolBlock module) {
        this.source = source;
        this.module = module;
    }

    /**
     * Compiles a function, or finds it if the same text was compiled before; it lives as long as the process.
     *
     * @param inputs names of its tensor arguments
     * @param body lines of TorchScript, the last of which returns a tensor or a tuple of {@code outputs} tensors
     * @param outputs number of tensors it returns
     */
    public static TorchScript compile(List<String> inputs, List<String> body, int outputs) {
        String result = outputs == 1
                ? "Tensor"
                : "Tuple[" + String.join(", ", java.util.Collections.nCopies(outputs, "Tensor")) + "]";
        StringBuilder source = new StringBuilder("class Op(Module):\n  __parameters__ = []\n  __buffers__ = []\n"
                + "  training : bool\n  def forward(self: __torch__.Op");
        inputs.forEach(input -> source.append(",\n    ").append(input).append(": Tensor"));
        source.append(") -> ").append(result).append(":\n");
        body.forEach(line -> source.append("    ").append(line).append('\n'));
        return of(source.toString());
    }

    /** The function of a whole module's text. */
    static TorchScript of(String source) {
        return COMPILED.computeIfAbsent(source, TorchScript::load);
    }

    /** The texts of all modules so far. */
    static Set<String> sources() {
        return Set.copyOf(COMPILED.keySet());
    }

    /** Its module's text. */
    String source() {
        return source;
    }

    /** As {@link #compile(List, List, int)} with one output, from one string of lines. */
    public static TorchScript compile(String inputs, String body) {
        return compile(
                List.of(inputs.split(", *")),
                body.strip().lines().map(String::stripTrailing).toList(),
                1);
    }

    /** Runs it; what it returns belongs to {@code manager}. */
    public NDArray call(NDManager manager, NDArray... inputs) {
        return callAll(manager, inputs).singletonOrThrow();
    }

    /** Runs a function of several outputs. */
    public NDList callAll(NDManager manager, NDArray... inputs) {
        NDList results = runner.run(this, new NDList(inputs));
        results.attach(manager);
        return results;
    }

    /** Runs it where its inputs are. */
    NDList run(NDList inputs) {
        PREPARED.get();
        return IValueUtils.forward(module, inputs, true);
    }

    /** Back-propagates from the scalar {@code loss}; gradients add up in the leaves. */
    public static void backward(NDArray loss) {
        try (NDArray one = loss.getManager().ones(loss.getShape())) {
            JniUtils.backward((PtNDArray) loss, (PtNDArray) one, false, false);
        }
    }

    /** How many threads share one operation; with another number, sums may come out in other bits. */
    public static int threads() {
        return JniUtils.getNumThreads();
    }

    private static TorchScript load(String source) {
        // Its manager is never closed: the functions are few and shared by all.
        PtNDManager manager = (PtNDManager) ComputeDevice.CPU.newManager();
        try {
            return new TorchScript(
                    source, JniUtils.loadModule(manager, new ByteArrayInputStream(archive(source)), false, false));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static byte[] archive(String source) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
            zip.setMethod(ZipOutputStream.STORED);
            store(zip, "ops/data.pkl", EMPTY_MODULE);
            store(zip, "ops/code/__torch__.py", source.getBytes(StandardCharsets.UTF_8));
            store(zip, "ops/constants.pkl", NO_CONSTANTS);
            store(zip, "ops/version", "3\n".getBytes(StandardCharsets.US_ASCII));
            store(zip, "ops/byteorder", "little".getBytes(StandardCharsets.US_ASCII));
        }
        return bytes.toByteArray();
    }

    private static void store(ZipOutputStream zip, String name, byte[] content) throws IOException {
        ZipEntry entry = new ZipEntry(name);
        CRC32 crc = new CRC32();
        crc.update(content);
        entry.setCrc(crc.getValue());
        entry.setSize(content.length);
        entry.setTime(0);
        zip.putNextEntry(entry);
        zip.write(content);
        zip.closeEntry();
    }

    private static byte[] concat(byte[]... parts) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            all.writeBytes(part);
        }
        return all.toByteArray();
    }
}
