package training.lora.trainer.tensor;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import training.lora.api.Json;
import training.lora.trainer.files.Sha256;

/** Writes tensors of fp32, fp16, bf16 (which come as fp32) and bytes as safetensors: the same bytes for the same input, to a temporary name that is then renamed. */
public final class SafeTensorsWriter {
    private SafeTensorsWriter() {}

    /**
     * Writes {@code tensors} in their order.
     *
     * @throws IOException if the file can't be written; nothing is left then
     */
    public static void write(Path file, Map<String, NDArray> tensors, Map<String, String> metadata) throws IOException {
        writeLazy(file, lazy(tensors), metadata);
    }

    /** The same of tensors that are made one after the other. */
    public static void writeLazy(Path file, Map<String, LazyTensor> tensors, Map<String, String> metadata)
            throws IOException {
        ObjectNode header = Json.MAPPER.createObjectNode();
        ObjectNode meta = header.putObject("__metadata__");
        new TreeMap<>(metadata).forEach(meta::put);
        long offset = 0;
        for (Map.Entry<String, LazyTensor> tensor : tensors.entrySet()) {
            ObjectNode node = header.putObject(tensor.getKey());
            DataType type = tensor.getValue().type();
            node.put("dtype", name(type));
            var shape = node.putArray("shape");
            for (long d : tensor.getValue().shape().getShape()) {
                shape.add(d);
            }
            long end = offset + width(type) * tensor.getValue().shape().size();
            node.putArray("data_offsets").add(offset).add(end);
            offset = end;
        }
        String json = Json.MAPPER.writeValueAsString(header);
        byte[] head = json.getBytes(StandardCharsets.UTF_8);
        int padded = (head.length + 7) / 8 * 8;
        ByteBuffer start = ByteBuffer.allocate(8 + padded).order(ByteOrder.LITTLE_ENDIAN);
        start.putLong(padded).put(head);
        while (start.hasRemaining()) {
            start.put((byte) ' ');
        }
        Files.createDirectories(file.toAbsolutePath().getParent());
        Path temporary = file.resolveSibling("." + file.getFileName() + ".tmp");
        try {
            try (FileChannel out = FileChannel.open(
                    temporary,
                    StandardOpenOption.CREATE,
                    StandardOpenOption.TRUNCATE_EXISTING,
                    StandardOpenOption.WRITE)) {
                writeAll(out, start.flip());
                for (LazyTensor tensor : tensors.values()) {
                    eachPiece(tensor, bytes -> writeAll(out, bytes));
                }
                out.force(true);
            }
            Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE);
        } finally {
            Files.deleteIfExists(temporary);
        }
    }

    private static String name(DataType type) {
        return switch (type) {
            case FLOAT16 -> "F16";
            case BFLOAT16 -> "BF16";
            case UINT8 -> "U8";
            default -> "F32";
        };
    }

    private static int width(DataType type) {
        return switch (type) {
            case FLOAT16, BFLOAT16 -> 2;
            case UINT8 -> 1;
            default -> 4;
        };
    }

    /** sha256, hex, over the bytes that {@link #write} puts after the header: what UIs call the model's hash. */
    public static String bodyDigest(Map<String, NDArray> tensors) {
        return lazyBodyDigest(lazy(tensors));
    }

    /** The same over what {@link #writeLazy} puts after the header. */
    public static String lazyBodyDigest(Map<String, LazyTensor> tensors) {
        Sha256 all = new Sha256();
        tensors.values().forEach(t -> eachPiece(t, all::add));
        return all.hex();
    }

    private static Map<String, LazyTensor> lazy(Map<String, NDArray> tensors) {
        Map<String, LazyTensor> lazy = new LinkedHashMap<>();
        tensors.forEach((name, tensor) -> lazy.put(name, LazyTensor.of(tensor)));
        return lazy;
    }

    private interface Bytes<E extends Exception> {
        void use(ByteBuffer bytes) throws E;
    }

    private static <E extends Exception> void eachPiece(LazyTensor tensor, Bytes<E> bytes) throws E {
        try (NDManager scope = ComputeDevice.CPU.newManager()) {
            boolean bfloats = tensor.type() == DataType.BFLOAT16;
            Pieces.each(
                    tensor.in(scope),
                    (piece, before) -> bytes.use(bfloats ? BFloats.of(HostCopy.floats(piece)) : bytes(piece)));
        }
    }

    private static ByteBuffer bytes(NDArray tensor) {
        if (tensor.getDataType() == DataType.FLOAT16 || tensor.getDataType() == DataType.UINT8) {
            return HostCopy.bytes(tensor);
        }
        float[] floats = HostCopy.floats(tensor);
        ByteBuffer bytes = ByteBuffer.allocate(4 * floats.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(floats);
        return bytes;
    }

    private static void writeAll(FileChannel out, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            out.write(bytes);
        }
    }
}
