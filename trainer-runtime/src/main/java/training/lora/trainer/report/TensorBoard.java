package training.lora.trainer.report;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Metric;
import training.lora.api.ProgressMessage;
import training.lora.api.Stage;

/**
 * Writes what is reported as TensorBoard's event files, which {@code tensorboard --logdir} shows while it trains: scalars of each
 * message, and the pictures of each checkpoint. A file is a sequence of TFRecords (length, its checksum, an Event in protobuf's
 * encoding, its checksum). An attempt that goes back writes a new file, whose first record takes back the steps after it. What
 * goes wrong here never hurts the run.
 */
public final class TensorBoard implements Consumer<ProgressMessage> {
    private static final Logger LOG = LoggerFactory.getLogger(TensorBoard.class);

    private static final String VERSION = "brain.Event:2";

    /** Of protobuf: varint, 64 bits, length-delimited, 32 bits. */
    private static final int VARINT = 0;

    private static final int FIXED64 = 1;
    private static final int BYTES = 2;
    private static final int FIXED32 = 5;

    /** SessionLog.START: readers drop what they have of this step and later ones. */
    private static final int START = 1;

    private final Path folder;
    private final Pictures pictures;
    private @Nullable Path file;
    private @Nullable ProgressMessage last;
    private boolean failed;

    /** Finds pictures that were drawn. */
    @FunctionalInterface
    public interface Pictures {
        /** PNG files of a checkpoint, 0 the base model; empty where there are none. */
        List<Path> of(int step);
    }

    /** @param folder where event files go, one folder a stage */
    public TensorBoard(Path folder, Pictures pictures) {
        this.folder = folder;
        this.pictures = pictures;
    }

    @Override
    public void accept(ProgressMessage message) {
        if (failed || message.stage() == Stage.Prepare) {
            return;
        }
        try {
            write(message);
        } catch (IOException | RuntimeException e) {
            failed = true;
            LOG.warn("TensorBoard's files can't be written, the run goes on without: {}", e.toString());
        }
    }

    private void write(ProgressMessage message) throws IOException {
        double time = Instant.parse(message.time()).toEpochMilli() / 1e3;
        ProgressMessage before = last;
        boolean begins = before == null || before.stage() != message.stage();
        if (before == null || begins || message.step() <= before.step()) {
            begin(message, time);
        }
        last = message;
        ByteArrayOutputStream summary = new ByteArrayOutputStream();
        for (Metric metric : message.metrics()) {
            scalar(summary, metric.name(), metric.number());
        }
        if (message.checkpoint() != null) {
            for (Metric metric : message.checkpoint().metrics()) {
                scalar(summary, "checkpoint/" + metric.name(), metric.number());
            }
        }
        // Of an evaluation the step is how many pictures are drawn; its checkpoints have steps of their own.
        int step = message.stage() == Stage.Evaluate && message.checkpoint() != null
                ? message.checkpoint().step()
                : message.step();
        if (message.stage() == Stage.Evaluate && message.checkpoint() == null) {
            return;
        }
        if (message.stage() == Stage.Train && (message.checkpoint() != null || begins && message.step() == 0)) {
            int i = 0;
            for (Path picture : pictures.of(step)) {
                image(summary, "samples/" + i++, Files.readAllBytes(picture));
            }
        }
        if (summary.size() > 0) {
            append(event(time, step, 5, summary.toByteArray()));
        }
    }

    private void begin(ProgressMessage message, double time) throws IOException {
        Path stage = folder.resolve(message.stage() == Stage.Train ? "train" : "evaluate");
        Files.createDirectories(stage);
        // Readers take files in the order of their names.
        try (Stream<Path> files = Files.list(stage)) {
            file = stage.resolve("events.out.tfevents.%010d.%03d.lora-trainer".formatted((long) time, files.count()));
        }
        append(event(time, 0, 3, VERSION.getBytes(StandardCharsets.UTF_8)));
        ByteArrayOutputStream session = new ByteArrayOutputStream();
        tag(session, 1, VARINT);
        varint(session, START);
        append(event(time, message.step(), 7, session.toByteArray()));
    }

    private static void scalar(ByteArrayOutputStream summary, String name, double value) {
        ByteArrayOutputStream one = new ByteArrayOutputStream();
        bytes(one, 1, name.getBytes(StandardCharsets.UTF_8));
        tag(one, 2, FIXED32);
        one.writeBytes(little(4).putFloat((float) value).array());
        bytes(summary, 1, one.toByteArray());
    }

    /** A PNG says its size in its first chunk. */
    private static void image(ByteArrayOutputStream summary, String name, byte[] png) {
        ByteBuffer header = ByteBuffer.wrap(png);
        ByteArrayOutputStream image = new ByteArrayOutputStream();
        tag(image, 1, VARINT);
        varint(image, header.getInt(20));
        tag(image, 2, VARINT);
        varint(image, header.getInt(16));
        tag(image, 3, VARINT);
        varint(image, 3);
        bytes(image, 4, png);
        ByteArrayOutputStream one = new ByteArrayOutputStream();
        bytes(one, 1, name.getBytes(StandardCharsets.UTF_8));
        bytes(one, 4, image.toByteArray());
        bytes(summary, 1, one.toByteArray());
    }

    private static byte[] event(double time, long step, int field, byte[] what) {
        ByteArrayOutputStream event = new ByteArrayOutputStream();
        tag(event, 1, FIXED64);
        event.writeBytes(little(8).putDouble(time).array());
        if (step != 0) {
            tag(event, 2, VARINT);
            varint(event, step);
        }
        bytes(event, field, what);
        return event.toByteArray();
    }

    private void append(byte[] event) throws IOException {
        byte[] length = little(8).putLong(event.length).array();
        ByteBuffer record = little(16 + event.length)
                .put(length)
                .putInt(checksum(length))
                .put(event)
                .putInt(checksum(event));
        Files.write(Objects.requireNonNull(file), record.array(), StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    /** CRC-32C, masked as TensorFlow does: the checksum of data with checksums in them would be weak. */
    private static int checksum(byte[] data) {
        CRC32C crc = new CRC32C();
        crc.update(data);
        int value = (int) crc.getValue();
        return ((value >>> 15) | (value << 17)) + 0xa282ead8;
    }

    private static ByteBuffer little(int size) {
        return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static void tag(ByteArrayOutputStream out, int field, int type) {
        varint(out, (long) field << 3 | type);
    }

    private static void bytes(ByteArrayOutputStream out, int field, byte[] value) {
        tag(out, field, BYTES);
        varint(out, value.length);
        out.writeBytes(value);
    }

    private static void varint(ByteArrayOutputStream out, long value) {
        long rest = value;
        while ((rest & ~0x7fL) != 0) {
            out.write((int) (rest & 0x7f | 0x80));
            rest >>>= 7;
        }
        out.write((int) rest);
    }
}
