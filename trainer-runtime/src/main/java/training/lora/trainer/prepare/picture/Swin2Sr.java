package training.lora.trainer.prepare.picture;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.opencv.core.Core;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.Rect;
import training.lora.trainer.files.FileDigests;
import training.lora.trainer.onnx.OnnxArray;
import training.lora.trainer.onnx.OnnxFiles;
import training.lora.trainer.onnx.OnnxModel;

/**
 * Enlarges pictures by a Swin2SR model (Conde et al. 2022) in the ONNX format, in tiles, so that memory doesn't grow with the
 * picture. It is called by one thread.
 */
public final class Swin2Sr implements AutoCloseable {
    /** Sides of the input are multiples of it; transformers' processor pads by mirroring, even where they are. */
    private static final int WINDOW = 8;

    /** Side of what is enlarged at once, beside its margins. */
    private static final int TILE = 128;

    /** What is computed around a tile and thrown away, so that no seam shows. */
    private static final int MARGIN = 16;

    private static final String INPUT = "pixel_values";
    private static final String OUTPUT = "reconstruction";

    private final OnnxModel model;
    private final String key;
    private final int tile;
    private final int margin;

    private Swin2Sr(OnnxModel model, String key, int tile, int margin) {
        this.model = model;
        this.key = key;
        this.tile = tile;
        this.margin = margin;
    }

    /** @param field that names {@code place}, a model's file or folder */
    public static Swin2Sr open(String field, Path place, FileDigests digests) throws IOException {
        return open(field, place, digests.of(OnnxFiles.graph(field, place)), TILE, MARGIN);
    }

    static Swin2Sr open(String field, Path place, String key, int tile, int margin) {
        OnnxModel model = OnnxModel.open(field, OnnxFiles.graph(field, place));
        try {
            model.require("a Swin2SR model", List.of(INPUT), List.of(OUTPUT));
        } catch (RuntimeException e) {
            model.close();
            throw e;
        }
        return new Swin2Sr(model, key, tile, margin);
    }

    /** An enlarged copy of a picture, 8-bit BGR, which stays the caller's. */
    public Mat enlarge(Mat picture) {
        Mat large = null;
        int scale = 0;
        for (int top = 0; top < picture.height(); top += tile) {
            for (int left = 0; left < picture.width(); left += tile) {
                Rect own = new Rect(
                        left, top, Math.min(tile, picture.width() - left), Math.min(tile, picture.height() - top));
                Rect seen = around(own, picture);
                Mat part = picture.submat(seen);
                Mat enlarged = whole(part);
                part.release();
                if (large == null) {
                    scale = enlarged.width() / seen.width;
                    large = new Mat(picture.height() * scale, picture.width() * scale, CvType.CV_8UC3);
                }
                Mat from = enlarged.submat(new Rect(
                        (own.x - seen.x) * scale, (own.y - seen.y) * scale, own.width * scale, own.height * scale));
                Mat to = large.submat(new Rect(own.x * scale, own.y * scale, own.width * scale, own.height * scale));
                from.copyTo(to);
                List.of(from, to, enlarged).forEach(Mat::release);
            }
        }
        if (large == null) {
            throw new IllegalArgumentException("a picture must have pixels");
        }
        return large;
    }

    private Rect around(Rect own, Mat picture) {
        int left = Math.max(0, own.x - margin);
        int top = Math.max(0, own.y - margin);
        int right = Math.min(picture.width(), own.x + own.width + margin);
        int bottom = Math.min(picture.height(), own.y + own.height + margin);
        return new Rect(left, top, right - left, bottom - top);
    }

    /** Enlarges a part at once. */
    private Mat whole(Mat part) {
        Mat padded = new Mat();
        int more = WINDOW - part.height() % WINDOW;
        int wider = WINDOW - part.width() % WINDOW;
        // submat's surroundings must not be taken for the border.
        Core.copyMakeBorder(part, padded, 0, more, 0, wider, Core.BORDER_REFLECT | Core.BORDER_ISOLATED);
        OnnxArray.Floats out = model.run(Map.of(INPUT, values(padded)), OUTPUT);
        long[] shape = out.shape();
        boolean right = shape.length == 4
                && shape[1] == 3
                && shape[2] % padded.height() == 0
                && shape[3] % padded.width() == 0
                && shape[2] / padded.height() == shape[3] / padded.width();
        if (!right) {
            throw model.mismatch(
                    "a Swin2SR model",
                    "pictures of a multiple of its input's size as output %s, but gave the shape %s for %dx%d pixels"
                            .formatted(OUTPUT, java.util.Arrays.toString(shape), padded.width(), padded.height()));
        }
        int scale = (int) (shape[2] / padded.height());
        padded.release();
        return picture(out.data(), (int) shape[3], (int) shape[2], part.width() * scale, part.height() * scale);
    }

    /** As (1, 3, H, W), RGB from 0 to 1. */
    private static OnnxArray.Floats values(Mat picture) {
        int plane = picture.width() * picture.height();
        byte[] bgr = new byte[3 * plane];
        picture.get(0, 0, bgr);
        float[] values = new float[3 * plane];
        for (int p = 0; p < plane; p++) {
            for (int c = 0; c < 3; c++) {
                values[c * plane + p] = (bgr[3 * p + 2 - c] & 0xff) / 255f;
            }
        }
        return new OnnxArray.Floats(values, 1, 3, picture.height(), picture.width());
    }

    /** The upper left part of (1, 3, H, W), as 8-bit BGR. */
    private static Mat picture(float[] values, int width, int height, int partWidth, int partHeight) {
        byte[] bgr = new byte[3 * partWidth * partHeight];
        int plane = width * height;
        for (int y = 0; y < partHeight; y++) {
            for (int x = 0; x < partWidth; x++) {
                for (int c = 0; c < 3; c++) {
                    float value = Math.max(0, Math.min(1, values[c * plane + y * width + x]));
                    bgr[3 * (y * partWidth + x) + 2 - c] = (byte) Math.round(value * 255);
                }
            }
        }
        Mat picture = new Mat(partHeight, partWidth, CvType.CV_8UC3);
        picture.put(0, 0, bgr);
        return picture;
    }

    /** What its pictures depend on beside the picture. */
    public String key() {
        return key;
    }

    @Override
    public void close() {
        model.close();
    }
}
