package training.lora.trainer.merge;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.function.UnaryOperator;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.model.basemodel.StoredWeights;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.model.weights.Stored;
import training.lora.trainer.tensor.BFloats;
import training.lora.trainer.tensor.Finite;
import training.lora.trainer.tensor.HostCopy;
import training.lora.trainer.tensor.TensorLocation;

/** Overwrites weights in the copy of a checkpoint where they lie, in their type. */
final class Patches implements AutoCloseable {
    private final UnaryOperator<Path> copies;
    private final Map<Path, FileChannel> channels = new HashMap<>();

    /** @param copies of each of the checkpoint's files its copy, which is overwritten */
    Patches(UnaryOperator<Path> copies) {
        this.copies = copies;
    }

    /** Where a projection's weight is stored. */
    static StoredWeights.Weight place(StoredWeights weights, Projection p) {
        return Objects.requireNonNull(weights.find(p.component().folder(), p.modulePath() + ".weight"), p::path);
    }

    /** A projection's weight as rows (out, fan in), fp32. */
    static NDArray read(StoredWeights.Weight place, Projection p, NDManager scope) {
        Stored stored = place.stored();
        NDArray whole = place.file().read(stored.key(), scope);
        NDArray part = stored.parts() == 1
                ? whole
                : whole.get("%d:%d".formatted(stored.part() * p.out(), (stored.part() + 1) * p.out()));
        return part.reshape(p.out(), p.fanIn());
    }

    /** Writes {@code rows} (out, fan in), fp32, where the weight is. */
    void write(StoredWeights.Weight place, NDArray rows) throws IOException {
        TensorLocation location = place.file().location(place.stored().key());
        ByteBuffer bytes = bytes(rows, location.entry().dtype(), place.stored().key());
        long position = location.position() + (long) place.stored().part() * bytes.remaining();
        FileChannel channel = channel(location.file());
        while (bytes.hasRemaining()) {
            position += channel.write(bytes, position);
        }
    }

    private FileChannel channel(Path original) throws IOException {
        Path target = copies.apply(original);
        FileChannel channel = channels.get(target);
        if (channel == null) {
            channel = FileChannel.open(target, StandardOpenOption.WRITE);
            channels.put(target, channel);
        }
        return channel;
    }

    private static ByteBuffer bytes(NDArray rows, String dtype, String key) {
        return switch (dtype) {
            case "F64" -> HostCopy.bytes(rows.toType(DataType.FLOAT64, false));
            case "F32" -> HostCopy.bytes(rows);
            case "F16" -> halves(rows, key);
            case "BF16" -> BFloats.of(HostCopy.floats(rows));
            default -> throw new IllegalStateException("a weight must have a floating type, was " + dtype);
        };
    }

    /** fp16 ends at 65504: a weight that is greater would draw nothing but black. */
    private static ByteBuffer halves(NDArray rows, String key) {
        try (NDArray halves = rows.toType(DataType.FLOAT16, false);
                NDArray again = halves.toType(DataType.FLOAT32, false)) {
            if (!Finite.all(again)) {
                throw new TrainerException(
                        Reason.InvalidConfiguration,
                        "a merged weight must be one that fp16 has, in which the base model is stored, but %s is none"
                                .formatted(key));
            }
            return HostCopy.bytes(halves);
        }
    }

    @Override
    public void close() throws IOException {
        for (FileChannel channel : channels.values()) {
            channel.close();
        }
    }
}
