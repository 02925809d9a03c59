package training.lora.trainer.prepare.picture;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;
import org.jspecify.annotations.Nullable;

/** Finds the ICC profile in a picture's file. */
final class EmbeddedProfile {
    private static final String JPEG = "ICC_PROFILE\0";
    private static final int MAX_BYTES = 1 << 24;

    private EmbeddedProfile() {}

    /** Null where there is none. */
    static byte @Nullable [] of(FileBytes bytes, PictureFormat format) throws IOException {
        return switch (format) {
            case JPEG -> inJpeg(bytes);
            case PNG -> inPng(bytes);
            case WEBP, ANIMATED_WEBP -> inWebp(bytes);
            case TIFF -> inTiff(bytes);
            default -> null;
        };
    }

    /** In segments that are numbered from 1 (ICC.1, annex B.4). */
    private static byte @Nullable [] inJpeg(FileBytes bytes) throws IOException {
        Map<Integer, byte[]> parts = new TreeMap<>();
        long at = 2;
        while (bytes.at(at) == 0xFF) {
            int marker = bytes.at(at + 1);
            if (marker == 0xFF) {
                at++;
                continue;
            }
            long length = bytes.number(at + 2, 2, false);
            if (marker == 0xDA || length < 2) {
                break;
            }
            if (marker == 0xE2 && length > 16 && bytes.hasAt(at + 4, JPEG)) {
                parts.put(bytes.at(at + 16), latin(bytes, at + 18, length - 16));
            }
            at += 2 + length;
        }
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        parts.values().forEach(all::writeBytes);
        return parts.isEmpty() ? null : all.toByteArray();
    }

    /** Deflated, behind a name and a byte for the method. */
    private static byte @Nullable [] inPng(FileBytes bytes) throws IOException {
        long at = PngChunks.find(bytes, "iCCP");
        if (at < 0) {
            return null;
        }
        long end = at + bytes.number(at - 8, 4, false);
        long name = at;
        while (name < end && bytes.at(name) > 0) {
            name++;
        }
        Inflater inflater = new Inflater();
        try {
            inflater.setInput(latin(bytes, name + 2, end - name - 2));
            ByteArrayOutputStream all = new ByteArrayOutputStream();
            byte[] part = new byte[1 << 14];
            for (int n = inflater.inflate(part); n > 0 && all.size() < MAX_BYTES; n = inflater.inflate(part)) {
                all.write(part, 0, n);
            }
            return all.toByteArray();
        } catch (DataFormatException e) {
            return null;
        } finally {
            inflater.end();
        }
    }

    private static byte @Nullable [] inWebp(FileBytes bytes) throws IOException {
        // Behind the extended header, if there is one.
        return bytes.hasAt(12, "VP8X") && bytes.hasAt(30, "ICCP") ? latin(bytes, 38, bytes.number(34, 4, true)) : null;
    }

    private static byte @Nullable [] inTiff(FileBytes bytes) throws IOException {
        TiffFields.Place place = TiffFields.read(bytes, 0).place(TiffFields.PROFILE);
        return place == null ? null : latin(bytes, place.at(), place.length());
    }

    private static byte[] latin(FileBytes bytes, long at, long length) throws IOException {
        return bytes.text(at, (int) Math.max(0, Math.min(length, MAX_BYTES))).getBytes(StandardCharsets.ISO_8859_1);
    }
}
