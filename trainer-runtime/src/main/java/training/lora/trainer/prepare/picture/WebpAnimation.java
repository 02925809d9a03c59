package training.lora.trainer.prepare.picture;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * The first frame of an animated WebP, as a WebP of its own (WebP container specification, "Animation").
 *
 * @param file the frame
 * @param left its place on the canvas
 * @param top its place on the canvas
 */
record WebpAnimation(byte[] file, int left, int top) {
    private static final int MAX_CHUNKS = 100_000;
    private static final int FRAME_HEADER = 16;
    private static final int ALPHA = 0x10;

    /** Null where there is none. */
    static @Nullable WebpAnimation firstFrame(FileBytes bytes) throws IOException {
        long at = 12;
        for (int i = 0; i < MAX_CHUNKS && at + 8 <= bytes.size(); i++) {
            long length = bytes.number(at + 4, 4, true);
            if (length < 0) {
                return null;
            }
            if (bytes.hasAt(at, "ANMF")) {
                return length <= FRAME_HEADER || at + 8 + length > bytes.size() ? null : frame(bytes, at + 8, length);
            }
            at += 8 + length + (length & 1);
        }
        return null;
    }

    private static WebpAnimation frame(FileBytes bytes, long at, long length) throws IOException {
        byte[] data = bytes.text(at + FRAME_HEADER, Math.toIntExact(length - FRAME_HEADER))
                .getBytes(StandardCharsets.ISO_8859_1);
        ByteArrayOutputStream chunks = new ByteArrayOutputStream();
        if (data.length > 4 && new String(data, 0, 4, StandardCharsets.ISO_8859_1).equals("ALPH")) {
            ByteBuffer extended = ByteBuffer.allocate(18).order(ByteOrder.LITTLE_ENDIAN);
            extended.put("VP8X".getBytes(StandardCharsets.ISO_8859_1))
                    .putInt(10)
                    .putInt(ALPHA);
            // Width and height less one, 24 bits each, as the frame has them.
            extended.put(bytes.text(at + 6, 6).getBytes(StandardCharsets.ISO_8859_1));
            chunks.write(extended.array());
        }
        chunks.write(data);
        ByteBuffer riff = ByteBuffer.allocate(12 + chunks.size()).order(ByteOrder.LITTLE_ENDIAN);
        riff.put("RIFF".getBytes(StandardCharsets.ISO_8859_1)).putInt(4 + chunks.size());
        riff.put("WEBP".getBytes(StandardCharsets.ISO_8859_1)).put(chunks.toByteArray());
        return new WebpAnimation(
                riff.array(), (int) bytes.number(at, 3, true) * 2, (int) bytes.number(at + 3, 3, true) * 2);
    }
}
