package training.lora.trainer.face;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import org.opencv.core.Mat;
import org.opencv.core.Point;
import org.opencv.core.Rect2d;
import training.lora.trainer.onnx.OnnxArray;
import training.lora.trainer.onnx.OnnxModel;
import training.lora.trainer.onnx.OnnxOutputs;

/**
 * MediaPipe's full-range face detection (BlazeFace, Bazarevsky et al. 2019). Of 48 x 48 anchors each says how likely a face
 * is around it, and where. It sees 192 x 192 pixels: in a large picture a small face is looked for in parts of it, and a face
 * that lies on its side in the turned picture, where there is none otherwise.
 */
final class FaceDetector implements AutoCloseable {
    private static final String WHAT = "MediaPipe's face detection (full range)";
    private static final int SIDE = 192;
    private static final int CELLS = 48;

    /** Box (4) and six points of two numbers, of which the first two are the eyes. */
    private static final int NUMBERS = 16;

    private static final double OVERLAP = 0.3;

    /** Parts of a picture that are looked at, a side of each as a share of its shorter edge. */
    private static final double[] PARTS = {0.5, 0.25};

    private static final int TURNS = 3;

    /** How many there are. */
    static final int ATTEMPTS = 1 + PARTS.length + TURNS;

    private final OnnxModel model;
    private final String input;
    private final String boxes;
    private final String scores;
    private final double least;

    /**
     * @param model closed with this
     * @param least score of a face
     */
    FaceDetector(OnnxModel model, double least) {
        this.model = model;
        this.least = least;
        long anchors = (long) CELLS * CELLS;
        this.input = model.inputOf(WHAT, 1, 3, SIDE, SIDE);
        this.boxes = model.outputOf(WHAT, anchors * NUMBERS);
        this.scores = model.outputOf(WHAT, anchors);
    }

    /**
     * What may be faces, the largest first.
     *
     * @param attempt from 0, each of which looks elsewhere: at the whole picture, at parts of it, and at the turned picture
     */
    List<Face> find(Mat picture, int attempt) {
        if (attempt == 0) {
            return whole(picture, 0);
        }
        return attempt <= PARTS.length
                ? parts(picture, PARTS[attempt - 1])
                : whole(picture, (attempt - PARTS.length) * Math.PI / 2);
    }

    private List<Face> whole(Mat picture, double angle) {
        Point centre = new Point(picture.width() / 2.0, picture.height() / 2.0);
        return distinct(
                look(picture, Similarity.square(centre, Math.max(picture.width(), picture.height()), angle, SIDE)));
    }

    /** Parts overlap by half, so that each face is whole in one. */
    private List<Face> parts(Mat picture, double share) {
        double side = share * Math.min(picture.width(), picture.height());
        List<Face> all = new ArrayList<>();
        if (side < SIDE / 2.0) {
            // Nothing more would be seen.
            return all;
        }
        int across = Math.max(1, (int) Math.ceil((picture.width() - side) / (side / 2)) + 1);
        int down = Math.max(1, (int) Math.ceil((picture.height() - side) / (side / 2)) + 1);
        for (int y = 0; y < down; y++) {
            for (int x = 0; x < across; x++) {
                Point centre = new Point(
                        side / 2 + (across == 1 ? 0 : x * (picture.width() - side) / (across - 1)),
                        side / 2 + (down == 1 ? 0 : y * (picture.height() - side) / (down - 1)));
                all.addAll(look(picture, Similarity.square(centre, side, 0, SIDE)));
            }
        }
        return distinct(all);
    }

    private List<Face> look(Mat picture, Similarity part) {
        Mat cut = part.cut(picture, SIDE);
        float[] pixels = FaceInput.of(cut, 2, -1);
        cut.release();
        OnnxOutputs out =
                model.run(Map.of(input, new OnnxArray.Floats(pixels, 1, 3, SIDE, SIDE)), List.of(boxes, scores));
        float[] logits = out.floats(scores).data();
        float[] raw = out.floats(boxes).data();
        List<Face> faces = new ArrayList<>();
        for (int i = 0; i < logits.length; i++) {
            double score = 1 / (1 + Math.exp(-logits[i]));
            if (score >= least) {
                faces.add(face(raw, i, score, part));
            }
        }
        return faces;
    }

    private static Face face(float[] raw, int anchor, double score, Similarity part) {
        double cell = (double) SIDE / CELLS;
        double x = (anchor % CELLS + 0.5) * cell;
        double y = (anchor / CELLS + 0.5) * cell;
        int at = anchor * NUMBERS;
        Point centre = part.invert(new Point(x + raw[at], y + raw[at + 1]));
        double width = raw[at + 2] / part.scale();
        double height = raw[at + 3] / part.scale();
        return new Face(
                new Rect2d(centre.x - width / 2, centre.y - height / 2, width, height),
                score,
                part.invert(new Point(x + raw[at + 4], y + raw[at + 5])),
                part.invert(new Point(x + raw[at + 6], y + raw[at + 7])));
    }

    /**
     * One of each group that overlaps: the mean of it, weighted by scores, as MediaPipe has it (weighted non-maximum
     * suppression).
     */
    private static List<Face> distinct(List<Face> all) {
        List<Face> rest = new ArrayList<>(all);
        rest.sort(Comparator.comparingDouble(Face::score).reversed());
        List<Face> kept = new ArrayList<>();
        while (!rest.isEmpty()) {
            Face best = rest.get(0);
            List<Face> same = rest.stream()
                    .filter(face -> Face.overlap(best.box(), face.box()) > OVERLAP)
                    .toList();
            // A box without an area overlaps not even itself.
            kept.add(same.isEmpty() ? best : mean(same));
            rest.removeAll(same);
            rest.remove(best);
        }
        kept.sort(Comparator.comparingDouble(Face::area).reversed());
        return kept;
    }

    private static Face mean(List<Face> faces) {
        double[] sums = new double[8];
        double weight = 0;
        for (Face face : faces) {
            Rect2d box = face.box();
            double[] values = {
                box.x,
                box.y,
                box.width,
                box.height,
                face.rightEye().x,
                face.rightEye().y,
                face.leftEye().x,
                face.leftEye().y
            };
            for (int i = 0; i < sums.length; i++) {
                sums[i] += face.score() * values[i];
            }
            weight += face.score();
        }
        for (int i = 0; i < sums.length; i++) {
            sums[i] /= weight;
        }
        return new Face(
                new Rect2d(sums[0], sums[1], sums[2], sums[3]),
                faces.get(0).score(),
                new Point(sums[4], sums[5]),
                new Point(sums[6], sums[7]));
    }

    @Override
    public void close() {
        model.close();
    }
}
