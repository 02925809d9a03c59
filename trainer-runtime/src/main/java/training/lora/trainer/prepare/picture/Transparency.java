package training.lora.trainer.prepare.picture;

import java.io.IOException;
import org.jspecify.annotations.Nullable;
import org.opencv.core.Core;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.Scalar;

/**
 * What a file says of its transparency that OpenCV doesn't tell with the pixels.
 *
 * @param fourth whether a fourth channel is alpha
 * @param premultiplied whether colours are multiplied by alpha
 * @param key the shade of grey that stands for transparent; -1 where none does
 * @param inverted whether 0 is white in grey of 16 bits
 */
record Transparency(boolean fourth, boolean premultiplied, int key, boolean inverted) {
    private static final int ASSOCIATED = 1;
    private static final int UNASSOCIATED = 2;

    static Transparency of(FileBytes bytes, PictureFormat format) throws IOException {
        return switch (format) {
            case PNG -> new Transparency(true, false, PngChunks.transparentGrey(bytes), false);
            case TIFF -> ofTiff(TiffFields.read(bytes, 0));
            default -> new Transparency(true, false, -1, false);
        };
    }

    /** An extra sample of no stated meaning is a selection, as Photoshop writes it. libtiff multiplies all of 8 bits. */
    private static Transparency ofTiff(TiffFields fields) {
        int extra = fields.get(TiffFields.EXTRA_SAMPLES, 0);
        boolean eight = fields.get(TiffFields.BITS_PER_SAMPLE, 1) <= 8;
        return new Transparency(
                extra == ASSOCIATED || extra == UNASSOCIATED,
                eight || extra == ASSOCIATED,
                -1,
                fields.get(TiffFields.PHOTOMETRIC, 1) == 0);
    }

    /** How opaque each pixel of {@code raw} is, 8 bits; null where nothing says so. */
    @Nullable Mat alpha(Mat raw) {
        if (raw.channels() == 1 && key >= 0) {
            Mat alpha = new Mat();
            Core.compare(raw, new Scalar(key), alpha, Core.CMP_NE);
            return alpha;
        }
        if (raw.channels() != 4 || !fourth) {
            return null;
        }
        Mat alpha = new Mat();
        Core.extractChannel(raw, alpha, 3);
        alpha.convertTo(alpha, CvType.CV_8U, raw.depth() == CvType.CV_16U ? 1 / 257.0 : 1);
        return alpha;
    }
}
