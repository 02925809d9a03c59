package training.lora.trainer.prepare;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.Size;
import org.opencv.imgproc.Imgproc;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.prepare.place.Place;
import training.lora.trainer.tensor.SafeTensorsWriter;

/** Masks at the size of the pictures' latents: the mean over the pixels of each place. */
final class LatentMasks {
    private LatentMasks() {}

    /**
     * A mask at the size of the latents.
     *
     * @param values by row, from 0 to 1
     */
    record LatentMask(int width, int height, float[] values) {
        /** Whether nothing of the picture counts. */
        boolean empty() {
            for (float value : values) {
                if (value != 0) {
                    return false;
                }
            }
            return true;
        }

        /** Whether all of the picture counts. */
        boolean whole() {
            for (float value : values) {
                if (value != 1) {
                    return false;
                }
            }
            return true;
        }

        /** Of 8 bits. */
        Mat toMat() {
            Mat exact = new Mat(height, width, CvType.CV_32F);
            exact.put(0, 0, values);
            exact.convertTo(exact, CvType.CV_8U, 255);
            return exact;
        }

        /** The mean, from 0 to 1. */
        double coverage() {
            double sum = 0;
            for (float value : values) {
                sum += value;
            }
            return sum / values.length;
        }
    }

    /**
     * The mask of a prepared picture.
     *
     * @param mask of the whole picture, 8 bits, which stays the caller's; null: all of it
     * @param factor by which the latents are smaller than the picture
     */
    static LatentMask of(@Nullable Mat mask, Place place, int factor) {
        if (mask == null) {
            return all(place, factor);
        }
        Mat cropped = place.cut(mask);
        LatentMask small = of(cropped, factor);
        cropped.release();
        return small;
    }

    /** That of a picture of which all counts. */
    static LatentMask all(Place place, int factor) {
        int width = place.width() / factor;
        int height = place.height() / factor;
        float[] values = new float[width * height];
        Arrays.fill(values, 1);
        return new LatentMask(width, height, values);
    }

    /** That of a prepared picture whose mask is {@code cropped} as it is, which stays the caller's. */
    static LatentMask of(Mat cropped, int factor) {
        int width = cropped.width() / factor;
        int height = cropped.height() / factor;
        float[] values = new float[width * height];
        Mat small = new Mat();
        Imgproc.resize(cropped, small, new Size(width, height), 0, 0, Imgproc.INTER_AREA);
        small.convertTo(small, CvType.CV_32F, 1 / 255.0);
        small.get(0, 0, values);
        small.release();
        return new LatentMask(width, height, values);
    }

    /** Writes those of all samples, in their order. */
    static void write(List<LatentMask> masks, Path folder, NDManager manager) throws IOException {
        try (NDManager scope = manager.newSubManager()) {
            Map<String, NDArray> arrays = new LinkedHashMap<>();
            for (int i = 0; i < masks.size(); i++) {
                LatentMask mask = masks.get(i);
                arrays.put("mask." + i, scope.create(mask.values(), new Shape(1, mask.height(), mask.width())));
            }
            SafeTensorsWriter.write(folder.resolve(PreparedDataset.MASKS), arrays, Map.of());
        }
    }
}
