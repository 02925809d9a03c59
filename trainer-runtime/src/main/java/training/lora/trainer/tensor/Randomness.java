package training.lora.trainer.tensor;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.JniUtils;
import java.nio.charset.StandardCharsets;
import java.util.SplittableRandom;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * Random numbers as a function of a seed, never of the order of calls. Tensors are torch's own: its generator is seeded
 * for each draw, under a lock because it is one for the process.
 */
public final class Randomness {
    private Randomness() {}

    /** {@code torch.manual_seed(seed); torch.randn(shape)} on CPU, bit for bit, on whatever device the manager has. */
    public static synchronized NDArray normal(NDManager manager, long seed, Shape shape) {
        JniUtils.setSeed(seed);
        return drawn(manager, cpu -> JniUtils.normal(cpu, 0, 1, shape, DataType.FLOAT32, Device.cpu()));
    }

    /** {@code torch.manual_seed(seed); torch.empty(shape).uniform_(low, high)} on CPU, bit for bit, on the manager's device. */
    public static synchronized NDArray uniform(NDManager manager, long seed, Shape shape, double low, double high) {
        JniUtils.setSeed(seed);
        return drawn(manager, cpu -> JniUtils.uniform(cpu, low, high, shape, DataType.FLOAT32, Device.cpu()));
    }

    /** Draws on the CPU and brings it to the manager's device, whose own generator would give other numbers. */
    private static NDArray drawn(NDManager manager, Function<PtNDManager, NDArray> drawing) {
        if (manager.getDevice().equals(Device.cpu())) {
            return drawing.apply((PtNDManager) manager);
        }
        try (NDManager cpu = manager.newSubManager(Device.cpu())) {
            NDArray there = drawing.apply((PtNDManager) cpu).toDevice(manager.getDevice(), true);
            there.attach(manager);
            return there;
        }
    }

    /**
     * Calls native code that draws from torch's own generator, as it is after {@code torch.manual_seed(seed)}; on a card
     * from that card's, whose numbers are others than the CPU's.
     */
    public static synchronized <T> T seeded(long seed, Supplier<T> drawing) {
        JniUtils.setSeed(seed);
        return drawing.get();
    }

    /** A generator for numbers on the Java side. */
    public static SplittableRandom generator(long seed, long step, String purpose) {
        return new SplittableRandom(derive(seed, step, purpose));
    }

    /**
     * The seed of what is drawn at {@code step} for {@code purpose}: FNV-1a over the three, finished by SplitMix64's
     * mixer (Steele et al. 2014). Non-negative.
     */
    public static long derive(long seed, long step, String purpose) {
        long hash = 0xcbf29ce484222325L;
        byte[] text = (seed + "/" + step + "/" + purpose).getBytes(StandardCharsets.UTF_8);
        for (byte b : text) {
            hash = (hash ^ b) * 0x100000001b3L;
        }
        hash = (hash ^ (hash >>> 30)) * 0xbf58476d1ce4e5b9L;
        hash = (hash ^ (hash >>> 27)) * 0x94d049bb133111ebL;
        return (hash ^ (hash >>> 31)) & Long.MAX_VALUE;
    }
}
