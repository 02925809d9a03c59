package training.lora.trainer.tensor;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/**
 * A safetensors file (8 bytes header length, JSON header, tensors), read one tensor at a time, so that files of any size
 * cost no heap. Several files that an index joins are read as one. One thread may read.
 */
public final class SafeTensors implements AutoCloseable {
    private static final long MAX_HEADER_BYTES = 100_000_000;

    /** Types of tensors that can be read, as the format calls them. */
    public static final Set<String> FLOATS = Set.of("F64", "F32", "F16", "BF16");

    private final Path file;
    private final @Nullable FileChannel channel;
    private final long bodyStart;
    private final Map<String, Entry> entries;
    private final Map<String, String> metadata;
    private final Map<String, SafeTensors> shards;
    private final Staging staging = new Staging();

    /**
     * A tensor in the file.
     *
     * @param dtype safetensors' name of the type, such as F16
     * @param shape its dimensions
     * @param begin first byte, from the body's start
     * @param end byte after the last
     */
    public record Entry(String dtype, long[] shape, long begin, long end) {
        /** {@code n} of its elements behind {@code start}, in a row. */
        Entry piece(long start, long n) {
            long width = (end - begin) / size();
            return new Entry(dtype, new long[] {n}, begin + start * width, begin + (start + n) * width);
        }

        /** Number of elements. */
        public long size() {
            return Arrays.stream(shape).reduce(1, Math::multiplyExact);
        }
    }

    private SafeTensors(
            Path file,
            @Nullable FileChannel channel,
            long bodyStart,
            Map<String, Entry> entries,
            Map<String, String> metadata,
            Map<String, SafeTensors> shards) {
        this.file = file;
        this.channel = channel;
        this.bodyStart = bodyStart;
        this.entries = Collections.unmodifiableMap(entries);
        this.metadata = Collections.unmodifiableMap(metadata);
        this.shards = shards;
    }

    /** Where the bytes of a tensor are. */
    public TensorLocation location(String name) {
        SafeTensors holder = shards.getOrDefault(name, this);
        Entry entry = holder.entry(name);
        return new TensorLocation(holder.file, holder.bodyStart + entry.begin(), entry);
    }

    /** Opens {@code file} and checks its header. */
    public static SafeTensors open(Path file) {
        refusePickle(file);
        if (Files.isDirectory(file)) {
            throw broken(file, "is a folder", null);
        }
        FileChannel channel;
        try {
            channel = FileChannel.open(file, StandardOpenOption.READ);
        } catch (IOException e) {
            throw new TrainerException(Reason.InvalidConfiguration, file + " must be a readable file", e);
        }
        try {
            return read(file, channel);
        } catch (IOException | RuntimeException e) {
            try {
                channel.close();
            } catch (IOException suppressed) {
                e.addSuppressed(suppressed);
            }
            throw e instanceof TrainerException known ? known : broken(file, "could not be read", e);
        }
    }

    /**
     * Opens the files that {@code index}, a {@code *.safetensors.index.json}, names: its {@code weight_map} says which file
     * beside it holds which tensor. They are read as one.
     *
     * @throws TrainerException InvalidConfiguration, with every missing file or else every missing tensor
     */
    public static SafeTensors openSharded(Path index) {
        Map<String, SafeTensors> byFile = new TreeMap<>();
        try {
            ShardIndex parts = ShardIndex.read(index);
            Map<String, String> places = parts.places();
            parts.names().forEach(name -> byFile.put(name, open(index.resolveSibling(name))));
            parts.requireAll(
                    places.keySet(),
                    tensor -> shard(byFile, places, tensor).entries.containsKey(tensor));
            Map<String, Entry> entries = new LinkedHashMap<>();
            Map<String, SafeTensors> shards = new HashMap<>();
            places.keySet().forEach(tensor -> {
                SafeTensors shard = shard(byFile, places, tensor);
                entries.put(tensor, shard.entry(tensor));
                shards.put(tensor, shard);
            });
            return new SafeTensors(index, null, 0, entries, Map.of(), shards);
        } catch (RuntimeException e) {
            byFile.values().forEach(SafeTensors::close);
            throw e;
        }
    }

    private static SafeTensors shard(Map<String, SafeTensors> byFile, Map<String, String> places, String tensor) {
        return Objects.requireNonNull(byFile.get(places.get(tensor)));
    }

    private static void refusePickle(Path file) {
        String name = file.getFileName().toString();
        if (name.endsWith(".ckpt") || name.endsWith(".pt") || name.endsWith(".pth") || name.endsWith(".bin")) {
            throw pickle(file);
        }
    }

    private static TrainerException pickle(Path file) {
        return new TrainerException(
                Reason.InvalidConfiguration,
                file + " must be a .safetensors file: a pickle can run code and is never opened; convert it with"
                        + " diffusers' save_pretrained(…, safe_serialization=True)");
    }

    private static SafeTensors read(Path file, FileChannel channel) throws IOException {
        ByteBuffer length = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
        long fileSize = channel.size();
        long headerBytes = channel.read(length, 0) < 8 ? 0 : length.getLong(0);
        if (headerBytes < 2 || headerBytes > MAX_HEADER_BYTES || 8 + headerBytes > fileSize) {
            // A header is never as long as the first bytes of other files say.
            OtherContent other = OtherContent.of(channel);
            if (other.pickled()) {
                throw pickle(file);
            }
            String what = other.what();
            throw broken(
                    file,
                    what != null
                            ? what
                            : fileSize < 8
                                    ? "ends before its header"
                                    : "has a header length of " + Long.toUnsignedString(headerBytes)
                                            + " bytes in a file of " + fileSize,
                    null);
        }
        ByteBuffer header = ByteBuffer.allocate((int) headerBytes);
        while (header.hasRemaining() && channel.read(header, 8 + header.position()) >= 0) {}
        Map<String, Entry> entries = new LinkedHashMap<>();
        Map<String, String> metadata = new LinkedHashMap<>();
        long body = fileSize - 8 - headerBytes;
        JsonNode root;
        try {
            root = Json.MAPPER.readTree(new String(header.array(), StandardCharsets.UTF_8));
        } catch (JsonProcessingException e) {
            throw broken(file, "has a header that is not JSON", e);
        }
        root.fields().forEachRemaining(field -> {
            if (field.getKey().equals("__metadata__")) {
                field.getValue()
                        .fields()
                        .forEachRemaining(
                                m -> metadata.put(m.getKey(), m.getValue().asText()));
            } else {
                entries.put(field.getKey(), entry(file, field.getKey(), field.getValue(), body));
            }
        });
        return new SafeTensors(file, channel, 8 + headerBytes, entries, metadata, Map.of());
    }

    private static Entry entry(Path file, String name, JsonNode node, long body) {
        JsonNode offsets = node.path("data_offsets");
        if (offsets.size() != 2
                || !node.path("dtype").isTextual()
                || !node.path("shape").isArray()) {
            throw broken(file, "describes tensor " + name + " without dtype, shape and data_offsets", null);
        }
        long[] shape = new long[node.get("shape").size()];
        for (int i = 0; i < shape.length; i++) {
            shape[i] = node.get("shape").get(i).asLong(-1);
        }
        Entry entry = new Entry(
                node.get("dtype").asText(),
                shape,
                offsets.get(0).asLong(-1),
                offsets.get(1).asLong(-1));
        if (entry.begin() < 0 || entry.end() < entry.begin() || entry.end() > body) {
            throw broken(file, "ends before its tensor " + name, null);
        }
        int width = width(entry.dtype());
        if (Arrays.stream(shape).anyMatch(d -> d < 0)
                || (width > 0 && entry.size() * width != entry.end() - entry.begin())) {
            throw broken(file, "gives tensor " + name + " a shape that doesn't fit its bytes", null);
        }
        return entry;
    }

    private static int width(String dtype) {
        return switch (dtype) {
            case "F64", "I64" -> 8;
            case "F32", "I32" -> 4;
            case "F16", "BF16", "I16" -> 2;
            case "U8", "I8", "BOOL" -> 1;
            default -> 0;
        };
    }

    private static TrainerException broken(Path file, String what, @Nullable Throwable cause) {
        String message = file + " must be a whole safetensors file, but " + what;
        return cause == null
                ? new TrainerException(Reason.InvalidConfiguration, message)
                : new TrainerException(Reason.InvalidConfiguration, message, cause);
    }

    /** The tensors by name, in the header's order. */
    public Map<String, Entry> entries() {
        return entries;
    }

    /** The tensor of that name, which must be there. */
    public Entry entry(String name) {
        Entry entry = entries.get(name);
        if (entry == null) {
            throw broken(file, "has no tensor " + name, null);
        }
        return entry;
    }

    /** The header's {@code __metadata__}. */
    public Map<String, String> metadata() {
        return metadata;
    }

    /** The file. */
    public Path file() {
        return file;
    }

    /** Reads a floating-point tensor and widens it to fp32; of a large one a piece after the other. */
    public NDArray read(String name, NDManager manager) {
        SafeTensors holder = shards.getOrDefault(name, this);
        Entry entry = holder.entry(name);
        NDArray whole = manager.create(new Shape(entry.shape()), DataType.FLOAT32);
        Pieces.each(
                whole,
                (piece, start) -> read(holder, name, entry.piece(start, piece.size()), manager, fp32 -> {
                    Copy.into(piece, fp32);
                    return piece;
                }));
        return whole;
    }

    /** Reads a tensor of bytes, U8, as it is. */
    public NDArray readBytes(String name, NDManager manager) {
        SafeTensors holder = shards.getOrDefault(name, this);
        Entry entry = holder.entry(name);
        if (!entry.dtype().equals("U8")) {
            throw broken(holder.file, "holds tensor " + name + " as " + entry.dtype() + ", not as bytes", null);
        }
        try (NDManager host = manager.newSubManager(Device.cpu())) {
            NDArray values = host.create(holder.bytes(entry, staging), new Shape(entry.shape()), DataType.UINT8);
            // The buffer is the next one's too.
            NDArray copy = values.duplicate().toDevice(manager.getDevice(), false);
            copy.attach(manager);
            return copy;
        }
    }

    /**
     * Reads a floating-point tensor into memory that all reads share, so that a large model costs one tensor more than
     * what {@code convert} makes of them.
     *
     * @param convert is given the tensor in fp32, valid until it returns, and must copy it
     */
    public NDArray read(String name, NDManager manager, UnaryOperator<NDArray> convert) {
        SafeTensors holder = shards.getOrDefault(name, this);
        return read(holder, name, holder.entry(name), manager, convert);
    }

    /**
     * Reads a tensor of one number, of any type and shape.
     *
     * @throws TrainerException InvalidConfiguration if it holds none or several
     */
    public double number(String name) {
        SafeTensors holder = shards.getOrDefault(name, this);
        Entry entry = holder.entry(name);
        if (entry.size() != 1) {
            throw broken(holder.file, "holds tensor %s as %d numbers, not one".formatted(name, entry.size()), null);
        }
        if (FLOATS.contains(entry.dtype()) && !entry.dtype().equals("F64")) {
            try (NDManager scope = ComputeDevice.CPU.newManager()) {
                return read(name, scope).toFloatArray()[0];
            }
        }
        ByteBuffer bytes = holder.bytes(entry, staging);
        return switch (entry.dtype()) {
            case "F64" -> bytes.getDouble();
            case "I64" -> bytes.getLong();
            case "I32" -> bytes.getInt();
            case "I16" -> bytes.getShort();
            case "I8" -> bytes.get();
            case "U8" -> bytes.get() & 0xff;
            default ->
                throw broken(holder.file, "holds tensor " + name + " as " + entry.dtype() + ", not as a number", null);
        };
    }

    private NDArray read(
            SafeTensors holder, String name, Entry entry, NDManager manager, UnaryOperator<NDArray> convert) {
        if (!FLOATS.contains(entry.dtype())) {
            throw broken(
                    holder.file,
                    "holds tensor " + name + " as " + entry.dtype() + ", which is not read as floats",
                    null);
        }
        Shape shape = new Shape(entry.shape());
        if (entry.size() == 0) {
            return manager.create(shape, DataType.FLOAT32);
        }
        try (NDManager host = manager.newSubManager(Device.cpu())) {
            NDArray values = staging.widen(holder.bytes(entry, staging), entry.dtype(), shape, host);
            return convert.apply(values.toDevice(manager.getDevice(), false));
        }
    }

    /** The tensor's bytes. They are read and not mapped: mapped pages would count as the process's until a collection. */
    private ByteBuffer bytes(Entry entry, Staging staging) {
        long length = entry.end() - entry.begin();
        if (entry.size() > Integer.MAX_VALUE / Float.BYTES) {
            throw broken(
                    file, "holds a tensor of " + entry.size() + " values; at most 2 GiB in fp32 can be read", null);
        }
        ByteBuffer bytes = staging.bytes(length);
        try {
            while (bytes.hasRemaining()) {
                if (Objects.requireNonNull(channel).read(bytes, bodyStart + entry.begin() + bytes.position()) < 0) {
                    throw broken(file, "ended while it was read", null);
                }
            }
        } catch (IOException e) {
            throw broken(file, "could not be read", e);
        }
        return bytes.flip();
    }

    @Override
    public void close() {
        staging.close();
        shards.values().forEach(SafeTensors::close);
        try {
            if (channel != null) {
                channel.close();
            }
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }
}
