package training.lora.trainer.prepare.picture;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.opencv.core.CvType;
import org.opencv.core.Mat;

/** The bytes of a file at any place, of which only a window is in memory. Behind the end all bytes are -1. */
public final class FileBytes implements Closeable {
    private static final int WINDOW = 1 << 14;

    private final FileChannel channel;
    private final long size;
    private final ByteBuffer window = ByteBuffer.allocate(WINDOW).limit(0);
    private long start;

    private FileBytes(FileChannel channel) throws IOException {
        this.channel = channel;
        this.size = channel.size();
    }

    /** Opens a file. */
    public static FileBytes open(Path file) throws IOException {
        return new FileBytes(FileChannel.open(file, StandardOpenOption.READ));
    }

    long size() {
        return size;
    }

    /** The byte at {@code place}, from 0 to 255. */
    int at(long place) throws IOException {
        if (place < 0 || place >= size) {
            return -1;
        }
        if (place < start || place >= start + window.limit()) {
            start = place;
            window.clear();
            read(window, place);
            window.flip();
            if (window.limit() == 0) {
                return -1;
            }
        }
        return Byte.toUnsignedInt(window.get((int) (place - start)));
    }

    /** Where the next byte of that value is, from {@code place} on; the size where there is none. */
    long find(int value, long place) throws IOException {
        for (long next = place; at(next) >= 0; next = start + window.limit()) {
            byte[] bytes = window.array();
            int end = window.limit();
            for (int i = (int) (next - start); i < end; i++) {
                if (bytes[i] == (byte) value) {
                    return start + i;
                }
            }
        }
        return size;
    }

    private void read(ByteBuffer into, long place) throws IOException {
        long next = place;
        while (into.hasRemaining()) {
            int n = channel.read(into, next);
            if (n < 0) {
                return;
            }
            next += n;
        }
    }

    /** A whole number of {@code length} bytes, at most 4 of them; negative behind the end. */
    long number(long place, int length, boolean littleEndian) throws IOException {
        long number = 0;
        for (int i = 0; i < length; i++) {
            int b = at(place + (littleEndian ? length - 1 - i : i));
            if (b < 0) {
                return -1;
            }
            number = number << 8 | b;
        }
        return number;
    }

    /** Whether {@code text}, in Latin-1, stands at {@code place}. */
    boolean hasAt(long place, String text) throws IOException {
        for (int i = 0; i < text.length(); i++) {
            if (at(place + i) != text.charAt(i)) {
                return false;
            }
        }
        return true;
    }

    /** A text of {@code length} bytes, in Latin-1; shorter at the end. */
    String text(long place, int length) throws IOException {
        byte[] bytes = new byte[(int) Math.max(0, Math.min(length, size - place))];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) at(place + i);
        }
        return new String(bytes, StandardCharsets.ISO_8859_1);
    }

    /**
     * All of it as a row of bytes in native memory, which the caller releases: a file may be larger than the heap.
     *
     * @throws IOException if it has 2 GiB or more, which OpenCV doesn't take
     */
    Mat toMat() throws IOException {
        if (size == 0 || size > Integer.MAX_VALUE) {
            throw new IOException(
                    "a picture file must have between 1 and " + Integer.MAX_VALUE + " bytes, has " + size);
        }
        Mat all = new Mat(1, (int) size, CvType.CV_8U);
        try {
            readInto(all);
            return all;
        } catch (IOException | RuntimeException e) {
            all.release();
            throw e;
        }
    }

    /** Copies all of it, as far as {@code target} has room. */
    void copyTo(ByteBuffer target) throws IOException {
        read(target, 0);
    }

    /** All of it. */
    byte[] toArray() throws IOException {
        ByteBuffer all = ByteBuffer.allocate(Math.toIntExact(size));
        read(all, 0);
        return all.array();
    }

    private void readInto(Mat all) throws IOException {
        ByteBuffer part = ByteBuffer.allocate(1 << 16);
        for (long place = 0; place < size; place += part.limit()) {
            part.clear();
            read(part, place);
            part.flip();
            if (part.limit() == 0) {
                throw new IOException("the file became shorter while it was read");
            }
            int length = (int) Math.min(part.limit(), size - place);
            all.put(0, (int) place, part.array(), 0, length);
        }
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
