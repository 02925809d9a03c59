package training.lora.trainer.s3;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Base64;
import software.amazon.awssdk.core.sync.RequestBody;

/**
 * A part of a file that is sent: read from the disk each time that it is tried, and never held in memory.
 *
 * @param from its first byte
 * @param length in bytes
 */
record FilePart(Path file, long from, long length) {
    /** What a request sends. */
    RequestBody body() {
        return RequestBody.fromContentProvider(this::open, length, "application/octet-stream");
    }

    private InputStream open() {
        try {
            InputStream all = Files.newInputStream(file);
            all.skipNBytes(from);
            return new Head(all, length);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** What the server compares with what it got, as its header wants it. */
    String md5() throws IOException {
        try (InputStream in = open()) {
            MessageDigest digest = MessageDigest.getInstance("MD5");
            byte[] buffer = new byte[1 << 16];
            for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
                digest.update(buffer, 0, n);
            }
            return Base64.getEncoder().encodeToString(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has MD5", e);
        }
    }

    /** The first bytes of a stream. */
    private static final class Head extends FilterInputStream {
        private long left;

        Head(InputStream all, long bytes) {
            super(all);
            left = bytes;
        }

        @Override
        public int read() throws IOException {
            int read = left == 0 ? -1 : in.read();
            left -= read < 0 ? 0 : 1;
            return read;
        }

        @Override
        public int read(byte[] buffer, int offset, int size) throws IOException {
            int read = left == 0 ? -1 : in.read(buffer, offset, (int) Math.min(size, left));
            left -= Math.max(0, read);
            return read;
        }

        @Override
        public long skip(long bytes) throws IOException {
            long skipped = in.skip(Math.min(bytes, left));
            left -= skipped;
            return skipped;
        }

        @Override
        public int available() throws IOException {
            return (int) Math.min(in.available(), left);
        }

        @Override
        public boolean markSupported() {
            return false;
        }
    }
}
