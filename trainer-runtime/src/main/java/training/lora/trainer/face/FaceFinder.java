package training.lora.trainer.face;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.opencv.core.Mat;
import org.opencv.core.Point;
import training.lora.trainer.OpenCvLibrary;
import training.lora.trainer.onnx.OnnxModel;

/** Finds faces in pictures, with their outline. What the detector takes for a face and the mesh doesn't is none. */
public final class FaceFinder implements AutoCloseable {
    /** Eden's confidence: low, since the mesh decides. */
    private static final double CONFIDENCE = 0.1;

    static {
        OpenCvLibrary.load();
    }

    private final FaceDetector detector;
    private final FaceMesh mesh;

    private FaceFinder(FaceDetector detector, FaceMesh mesh) {
        this.detector = detector;
        this.mesh = mesh;
    }

    /**
     * Opens the models of a folder.
     *
     * @param field the field that names it, for messages
     */
    public static FaceFinder open(String field, Path folder) {
        FaceFiles.all(field, folder);
        OnnxModel first = OnnxModel.open(field, folder.resolve(FaceFiles.DETECTOR));
        try {
            OnnxModel second = OnnxModel.open(field, folder.resolve(FaceFiles.MESH));
            try {
                return new FaceFinder(new FaceDetector(first, CONFIDENCE), new FaceMesh(second));
            } catch (RuntimeException e) {
                second.close();
                throw e;
            }
        } catch (RuntimeException e) {
            first.close();
            throw e;
        }
    }

    /**
     * The faces in a picture, the largest first.
     *
     * @param bgr 8 bits and three channels, which stays the caller's
     */
    public List<Outline> find(Mat bgr) {
        List<Outline> found = new ArrayList<>();
        for (int attempt = 0; found.isEmpty() && attempt < FaceDetector.ATTEMPTS; attempt++) {
            for (Face face : detector.find(bgr, attempt)) {
                Point[] points = mesh.points(bgr, face);
                if (points != null) {
                    found.add(new Outline(face, points));
                }
            }
        }
        return found;
    }

    @Override
    public void close() {
        detector.close();
        mesh.close();
    }
}
