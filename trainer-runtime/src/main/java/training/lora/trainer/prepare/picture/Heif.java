package training.lora.trainer.prepare.picture;

import com.sun.jna.Library;
import com.sun.jna.Memory;
import com.sun.jna.Native;
import com.sun.jna.NativeLong;
import com.sun.jna.Platform;
import com.sun.jna.Pointer;
import com.sun.jna.Structure;
import com.sun.jna.ptr.IntByReference;
import com.sun.jna.ptr.PointerByReference;
import java.io.IOException;
import org.jspecify.annotations.Nullable;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.imgproc.Imgproc;

/** HEIC and AVIF by libheif: the system's, or the image's. It turns pictures as the file says. */
final class Heif {
    private static final int RGB = 1;
    private static final int INTERLEAVED_RGB = 10;
    private static final int INTERLEAVED_RGBA = 11;
    private static final int INTERLEAVED = 10;

    private static final @Nullable Api API = load();

    private Heif() {}

    /** What goes wrong with a file, in libheif's words. */
    @Structure.FieldOrder({"code", "subcode", "message"})
    public static final class HeifError extends Structure implements Structure.ByValue {
        public int code;
        public int subcode;
        public @Nullable String message;
    }

    /** The functions that are called (heif.h of 1.3 and later). */
    @SuppressWarnings({"checkstyle:MethodName", "MethodName"})
    interface Api extends Library {
        Pointer heif_context_alloc();

        void heif_context_free(Pointer context);

        HeifError heif_context_read_from_memory_without_copy(
                Pointer context, Pointer bytes, NativeLong size, @Nullable Pointer options);

        HeifError heif_context_get_primary_image_handle(Pointer context, PointerByReference handle);

        void heif_image_handle_release(Pointer handle);

        int heif_image_handle_get_width(Pointer handle);

        int heif_image_handle_get_height(Pointer handle);

        int heif_image_handle_has_alpha_channel(Pointer handle);

        NativeLong heif_image_handle_get_raw_color_profile_size(Pointer handle);

        HeifError heif_image_handle_get_raw_color_profile(Pointer handle, Pointer bytes);

        HeifError heif_decode_image(
                Pointer handle, PointerByReference image, int colourSpace, int chroma, @Nullable Pointer options);

        Pointer heif_image_get_plane_readonly(Pointer image, int channel, IntByReference stride);

        int heif_image_get_width(Pointer image, int channel);

        int heif_image_get_height(Pointer image, int channel);

        void heif_image_release(Pointer image);
    }

    /**
     * A decoded picture.
     *
     * @param pixels BGR, or BGRA
     * @param profile its ICC profile; null where it has none
     */
    record Decoded(Mat pixels, byte @Nullable [] profile) {}

    private static @Nullable Api load() {
        try {
            return Native.load(Platform.isLinux() ? "libheif.so.1" : "heif", Api.class);
        } catch (UnsatisfiedLinkError e) {
            return null;
        }
    }

    static boolean available() {
        return API != null;
    }

    /** Decodes the file's main picture. */
    static Decoded decode(FileBytes bytes, PictureOptions options) throws IOException, UnreadablePictureException {
        Api api = java.util.Objects.requireNonNull(API);
        if (bytes.size() == 0 || bytes.size() > Integer.MAX_VALUE) {
            throw new UnreadablePictureException("must have between 1 and " + Integer.MAX_VALUE + " bytes");
        }
        Pointer context = api.heif_context_alloc();
        Memory file = new Memory(bytes.size());
        try {
            bytes.copyTo(file.getByteBuffer(0, bytes.size()));
            check(api.heif_context_read_from_memory_without_copy(context, file, new NativeLong(bytes.size()), null));
            PointerByReference handle = new PointerByReference();
            check(api.heif_context_get_primary_image_handle(context, handle));
            try {
                return decode(api, handle.getValue(), options);
            } finally {
                api.heif_image_handle_release(handle.getValue());
            }
        } finally {
            api.heif_context_free(context);
        }
    }

    private static Decoded decode(Api api, Pointer handle, PictureOptions options) throws UnreadablePictureException {
        Photo.requireFewPixels(
                new PictureSize(api.heif_image_handle_get_width(handle), api.heif_image_handle_get_height(handle)),
                options);
        boolean alpha = api.heif_image_handle_has_alpha_channel(handle) != 0;
        PointerByReference image = new PointerByReference();
        check(api.heif_decode_image(handle, image, RGB, alpha ? INTERLEAVED_RGBA : INTERLEAVED_RGB, null));
        try {
            return new Decoded(pixels(api, image.getValue(), alpha), profile(api, handle));
        } finally {
            api.heif_image_release(image.getValue());
        }
    }

    private static Mat pixels(Api api, Pointer image, boolean alpha) {
        int width = api.heif_image_get_width(image, INTERLEAVED);
        int height = api.heif_image_get_height(image, INTERLEAVED);
        IntByReference stride = new IntByReference();
        Pointer plane = api.heif_image_get_plane_readonly(image, INTERLEAVED, stride);
        Mat pixels = new Mat(height, width, alpha ? CvType.CV_8UC4 : CvType.CV_8UC3);
        byte[] row = new byte[width * (alpha ? 4 : 3)];
        for (int y = 0; y < height; y++) {
            plane.read((long) y * stride.getValue(), row, 0, row.length);
            pixels.put(y, 0, row);
        }
        Imgproc.cvtColor(pixels, pixels, alpha ? Imgproc.COLOR_RGBA2BGRA : Imgproc.COLOR_RGB2BGR);
        return pixels;
    }

    private static byte @Nullable [] profile(Api api, Pointer handle) throws UnreadablePictureException {
        int size = api.heif_image_handle_get_raw_color_profile_size(handle).intValue();
        if (size <= 0) {
            return null;
        }
        Memory bytes = new Memory(size);
        check(api.heif_image_handle_get_raw_color_profile(handle, bytes));
        return bytes.getByteArray(0, size);
    }

    private static void check(HeifError error) throws UnreadablePictureException {
        if (error.code != 0) {
            throw new UnreadablePictureException("can't be decoded by libheif: " + error.message);
        }
    }
}
