package training.lora.trainer.evaluate;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.opencv.core.Mat;
import org.opencv.core.Rect;
import training.lora.trainer.onnx.OnnxArray;
import training.lora.trainer.onnx.OnnxModel;
import training.lora.trainer.picture.PillowResize;
import training.lora.trainer.sample.Picture;

/**
 * An aesthetic score of a picture by a network that looks at the picture itself: (1, 3, 224, 224), the centred square, scaled
 * by Pillow's bilinear filter, with ImageNet's mean and deviation taken out, to one number. Eden's trainer measures so;
 * {@code examples/aesthetic/convert_eden.py} makes such a file of its checkpoint. The network is open only while it measures.
 */
final class AestheticNetwork implements PictureMetric {
    private static final String FIELD = "spec.evaluation.aesthetic.uri";
    private static final String WHAT = "a network that scores pictures";
    private static final int SIDE = 224;

    /** ImageNet's, of red, green and blue. */
    private static final float[] MEAN = {0.485f, 0.456f, 0.406f};

    private static final float[] DEVIATION = {0.229f, 0.224f, 0.225f};

    private final Path file;

    /** @throws training.lora.trainer.TrainerException InvalidConfiguration if it is no such network */
    AestheticNetwork(Path file) {
        this.file = file;
        try (OnnxModel model = OnnxModel.open(FIELD, file)) {
            model.inputOf(WHAT, 1, 3, SIDE, SIDE);
            model.outputOf(WHAT, 1);
        }
    }

    @Override
    public String name() {
        return AestheticHead.NAME;
    }

    @Override
    public String definition() {
        return "mean over pictures of the score that the network of spec.evaluation.aesthetic gives them";
    }

    /** Of all pictures, for whatever concept. */
    @Override
    public double[] of(ConceptShare concept, List<Path> files, Embeddings vectors) {
        return of(files);
    }

    double[] of(List<Path> files) {
        try (OnnxModel model = OnnxModel.open(FIELD, file)) {
            String input = model.inputOf(WHAT, 1, 3, SIDE, SIDE);
            String output = model.outputOf(WHAT, 1);
            return files.stream()
                    .mapToDouble(picture -> model.run(
                                    Map.of(input, new OnnxArray.Floats(pixels(picture), 1, 3, SIDE, SIDE)), output)
                            .data()[0])
                    .toArray();
        }
    }

    private static float[] pixels(Path file) {
        Mat whole = Picture.read(file).toMat();
        int side = Math.min(whole.width(), whole.height());
        // It holds the whole picture's pixels for as long as it isn't released.
        Mat part = whole.submat(new Rect((whole.width() - side) / 2, (whole.height() - side) / 2, side, side));
        Mat square = part.clone();
        part.release();
        Mat scaled = PillowResize.resize(square, SIDE, SIDE, PillowResize.Filter.Bilinear);
        byte[] bgr = new byte[3 * SIDE * SIDE];
        scaled.get(0, 0, bgr);
        scaled.release();
        square.release();
        whole.release();
        float[] values = new float[bgr.length];
        for (int i = 0; i < SIDE * SIDE; i++) {
            for (int c = 0; c < 3; c++) {
                float level = (bgr[3 * i + 2 - c] & 0xff) / 255f;
                values[c * SIDE * SIDE + i] = (level - MEAN[c]) / DEVIATION[c];
            }
        }
        return values;
    }
}
