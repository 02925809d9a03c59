package training.lora.trainer.prepare;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.Scalar;
import org.opencv.core.Size;
import org.opencv.imgproc.Imgproc;
import training.lora.api.MaskSource;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.tensor.SafeTensorsWriter;

/** How much each part of the pictures counts, at the size of their latents: the mean over the pixels of each place. */
final class Masks {
    private final MaskSource source;
    private final int resolution;
    private final int side;
    private final Map<Integer, float[]> masks = new LinkedHashMap<>();
    private final List<String> problems = new ArrayList<>();

    /**
     * @param resolution of the prepared pictures
     * @param side of their latents
     */
    Masks(MaskSource source, int resolution, int side) {
        this.source = source;
        this.resolution = resolution;
        this.side = side;
    }

    /**
     * Every data set must have a mask for each of its pictures or for none, and one at least must have them.
     *
     * @throws TrainerException InvalidData, with every picture that has none
     */
    static void check(MaskSource source, List<RawDataset.Item> items) {
        if (source != MaskSource.Files) {
            return;
        }
        List<String> without = items.stream()
                .filter(item -> item.mask() == null)
                .filter(item -> items.stream()
                        .anyMatch(o -> o.mask() != null && o.dataset().equals(item.dataset())))
                .map(RawDataset.Item::name)
                .toList();
        if (!without.isEmpty()) {
            throw new TrainerException(
                    Reason.InvalidData,
                    "each picture of a data set with masks must have one, NAME%s.png beside it, but these have none: %s"
                            .formatted(RawDataset.MASK, String.join(", ", without)));
        }
        if (items.stream().allMatch(item -> item.mask() == null)) {
            throw new TrainerException(
                    Reason.InvalidData,
                    "`spec.preparation.mask.source` is Files, so that pictures must have masks, NAME%s.png beside them, but none has one"
                            .formatted(RawDataset.MASK));
        }
    }

    /** Takes the mask of picture {@code i}, which is {@code photo} when decoded, and cuts it as the picture is cut. */
    void add(int i, RawDataset.Item item, Photo photo) throws IOException {
        if (source == MaskSource.None) {
            return;
        }
        Mat mask = read(item, photo);
        if (mask == null) {
            return;
        }
        Mat cropped = Photo.centreCrop(mask, resolution).picture();
        Mat small = new Mat();
        Imgproc.resize(cropped, small, new Size(side, side), 0, 0, Imgproc.INTER_AREA);
        small.convertTo(small, CvType.CV_32F, 1 / 255.0);
        float[] values = new float[side * side];
        small.get(0, 0, values);
        double sum = 0;
        for (float value : values) {
            sum += value;
        }
        if (sum == 0) {
            problems.add("the mask of " + item.name() + " leaves nothing of it");
        }
        masks.put(i, values);
        mask.release();
        cropped.release();
        small.release();
    }

    private @Nullable Mat read(RawDataset.Item item, Photo photo) throws IOException {
        Mat alpha = photo.alpha();
        if (source == MaskSource.Alpha && alpha != null) {
            return alpha.clone();
        }
        Path file = item.mask();
        if (source == MaskSource.Alpha || file == null) {
            return new Mat(photo.colour().size(), CvType.CV_8U, new Scalar(255));
        }
        try (Photo mask = Photo.decode(file)) {
            if (mask == null) {
                problems.add("the mask of " + item.name() + " can't be read");
                return null;
            }
            if (!mask.colour().size().equals(photo.colour().size())) {
                problems.add("the mask of %s has %dx%d pixels and the picture %dx%d"
                        .formatted(item.name(), mask.width(), mask.height(), photo.width(), photo.height()));
                return null;
            }
            return mask.mask();
        }
    }

    /** Writes them, where there are any. */
    void write(Path folder, NDManager manager) throws IOException {
        if (!problems.isEmpty()) {
            throw new TrainerException(
                    Reason.InvalidData,
                    "each mask must be as large as its picture and white somewhere within the crop, but "
                            + String.join("; ", problems));
        }
        if (masks.isEmpty()) {
            return;
        }
        try (NDManager scope = manager.newSubManager()) {
            Map<String, NDArray> arrays = new LinkedHashMap<>();
            masks.forEach((i, values) -> arrays.put("mask." + i, scope.create(values, new Shape(1, side, side))));
            SafeTensorsWriter.write(folder.resolve(PreparedDataset.MASKS), arrays, Map.of());
        }
    }
}
