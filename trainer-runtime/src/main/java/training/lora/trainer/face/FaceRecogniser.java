package training.lora.trainer.face;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.opencv.core.Mat;
import org.opencv.core.Point;
import training.lora.trainer.onnx.OnnxArray;
import training.lora.trainer.onnx.OnnxModel;

/**
 * Tells people apart: SFace (Zhong et al. 2021) as opencv_zoo has it, or another network of the same contract: a face of 112
 * pixels, aligned by five points, as (1, 3, 112, 112), red first, from 0 to 255; what comes out is compared by its direction.
 */
public final class FaceRecogniser implements AutoCloseable {
    private static final String WHAT = "a model that recognises faces, as face_recognition_sface_2021dec.onnx does";

    private static final int SIDE = 112;

    /** Where the five points must lie in the face of 112 pixels: those of ArcFace and of OpenCV's FaceRecognizerSF. */
    private static final Point[] PLACES = {
        new Point(38.2946, 51.6963),
        new Point(73.5318, 51.5014),
        new Point(56.0252, 71.7366),
        new Point(41.5493, 92.3655),
        new Point(70.7299, 92.2041)
    };

    private final FaceFinder finder;
    private final OnnxModel model;
    private final String input;
    private final String output;

    private FaceRecogniser(FaceFinder finder, OnnxModel model) {
        this.finder = finder;
        this.model = model;
        this.input = model.inputOf(WHAT, 1, 3, SIDE, SIDE);
        if (model.outputs().size() != 1) {
            throw model.mismatch(WHAT, "one output, but it has " + String.join(", ", model.outputs()));
        }
        this.output = model.outputs().iterator().next();
    }

    /**
     * Opens a model.
     *
     * @param finder closed with this
     * @param field the field that names the model, for messages
     */
    public static FaceRecogniser open(FaceFinder finder, String field, Path file) {
        OnnxModel model = OnnxModel.open(field, file);
        try {
            return new FaceRecogniser(finder, model);
        } catch (RuntimeException e) {
            model.close();
            throw e;
        }
    }

    /** The unit vector of the largest face in a picture, which stays the caller's; null where there is none. */
    public double @Nullable [] vector(Mat bgr) {
        List<Outline> faces = finder.find(bgr);
        if (faces.isEmpty()) {
            return null;
        }
        Mat aligned = aligned(bgr, faces.get(0).five());
        float[] pixels = FaceInput.of(aligned, 255, 0);
        aligned.release();
        float[] raw = model.run(Map.of(input, new OnnxArray.Floats(pixels, 1, 3, SIDE, SIDE)), output)
                .data();
        double square = 0;
        for (float value : raw) {
            square += (double) value * value;
        }
        double length = Math.sqrt(Math.max(square, Double.MIN_NORMAL));
        double[] vector = new double[raw.length];
        for (int i = 0; i < raw.length; i++) {
            vector[i] = raw[i] / length;
        }
        return vector;
    }

    /** The face with its five points where they must lie, as near as turning, scaling and shifting brings them. */
    static Mat aligned(Mat bgr, Point[] five) {
        return Similarity.between(five, PLACES).cut(bgr, SIDE);
    }

    @Override
    public void close() {
        finder.close();
        model.close();
    }
}
