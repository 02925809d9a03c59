package training.lora.trainer.face;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.opencv.core.Mat;
import org.opencv.core.Point;
import training.lora.trainer.onnx.OnnxArray;
import training.lora.trainer.onnx.OnnxModel;
import training.lora.trainer.onnx.OnnxOutputs;

/** MediaPipe's face mesh (Kartynnik et al. 2019): 468 points of a face. */
final class FaceMesh implements AutoCloseable {
    private static final String WHAT = "MediaPipe's face mesh";
    private static final int SIDE = 192;
    private static final int POINTS = 468;
    private static final int NUMBERS = 3 * POINTS;

    /** MediaPipe's margin: how much larger the square that is looked at is than a face's box. */
    private static final double MARGIN = 1.5;

    private static final double LEAST = 0.5;

    private final OnnxModel model;
    private final String input;
    private final String points;
    private final String presence;

    /** @param model closed with this */
    FaceMesh(OnnxModel model) {
        this.model = model;
        this.input = model.inputOf(WHAT, 1, 3, SIDE, SIDE);
        this.points = model.outputOf(WHAT, NUMBERS);
        this.presence = model.outputOf(WHAT, 1);
    }

    /** The points in pixels of {@code picture}; null where there is no face. */
    Point @Nullable [] points(Mat picture, Face face) {
        double side = MARGIN * Math.max(face.box().width, face.box().height);
        Similarity part = Similarity.square(face.centre(), side, face.angle(), SIDE);
        Mat cut = part.cut(picture, SIDE);
        float[] pixels = FaceInput.of(cut, 1, 0);
        cut.release();
        OnnxOutputs out =
                model.run(Map.of(input, new OnnxArray.Floats(pixels, 1, 3, SIDE, SIDE)), List.of(points, presence));
        if (1 / (1 + Math.exp(-out.floats(presence).data()[0])) < LEAST) {
            return null;
        }
        float[] raw = out.floats(points).data();
        Point[] all = new Point[POINTS];
        for (int i = 0; i < POINTS; i++) {
            all[i] = part.invert(new Point(raw[3 * i], raw[3 * i + 1]));
        }
        return all;
    }

    @Override
    public void close() {
        model.close();
    }
}
