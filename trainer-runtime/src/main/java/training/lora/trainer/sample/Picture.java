package training.lora.trainer.sample;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.MatOfByte;
import org.opencv.core.MatOfInt;
import org.opencv.core.Size;
import org.opencv.imgcodecs.Imgcodecs;
import org.opencv.imgproc.Imgproc;
import training.lora.api.Reason;
import training.lora.trainer.OpenCvLibrary;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.WholeFile;

/**
 * A picture of 8 bits a channel.
 *
 * @param width in pixels
 * @param height in pixels
 * @param rgb height x width x (red, green, blue)
 */
public record Picture(int width, int height, byte[] rgb) {
    static {
        OpenCvLibrary.load();
    }

    /** The pictures of a batch (B, 3, H, W) in [-1, 1], rounded as diffusers does. */
    public static List<Picture> ofBatch(NDArray batch) {
        Shape shape = batch.getShape();
        int height = (int) shape.get(2);
        int width = (int) shape.get(3);
        byte[] all;
        try (NDManager scope = batch.getManager().newSubManager()) {
            NDArray x = batch.duplicate();
            x.attach(scope);
            all = x.muli(0.5)
                    .addi(0.5)
                    .clip(0, 1)
                    .muli(255)
                    .round()
                    .toType(DataType.UINT8, false)
                    .transpose(0, 2, 3, 1)
                    .flatten()
                    .toByteArray();
        }
        int size = 3 * width * height;
        List<Picture> pictures = new ArrayList<>();
        for (int i = 0; i < shape.get(0); i++) {
            pictures.add(new Picture(width, height, java.util.Arrays.copyOfRange(all, i * size, (i + 1) * size)));
        }
        return pictures;
    }

    /** Pictures of one size as a batch (B, 3, H, W) in [0, 1]. */
    public static NDArray toBatch(List<Picture> pictures, NDManager manager) {
        int width = pictures.get(0).width();
        int height = pictures.get(0).height();
        int plane = width * height;
        float[] values = new float[pictures.size() * 3 * plane];
        for (int b = 0; b < pictures.size(); b++) {
            byte[] rgb = pictures.get(b).rgb();
            for (int p = 0; p < plane; p++) {
                for (int c = 0; c < 3; c++) {
                    values[(b * 3 + c) * plane + p] = (rgb[3 * p + c] & 0xff) / 255f;
                }
            }
        }
        return manager.create(values, new Shape(pictures.size(), 3, height, width));
    }

    /** Reads a picture file; grey becomes RGB and transparency is dropped. */
    public static Picture read(Path file) {
        byte[] bytes;
        try {
            bytes = Files.readAllBytes(file);
        } catch (IOException e) {
            throw new TrainerException(Reason.InvalidData, file + " must be a readable picture", e);
        }
        MatOfByte encoded = new MatOfByte(bytes);
        Mat mat = Imgcodecs.imdecode(encoded, Imgcodecs.IMREAD_COLOR);
        encoded.release();
        if (mat.empty()) {
            throw new TrainerException(Reason.InvalidData, file + " must be a readable picture");
        }
        return ofBgr(mat);
    }

    /** It as a JPEG for a page, made smaller where its longer side is above {@code longest}. */
    public byte[] jpeg(int longest) {
        Mat mat = toMat();
        double scale = (double) longest / Math.max(width, height);
        if (scale < 1) {
            Size size = new Size(Math.max(1, Math.rint(width * scale)), Math.max(1, Math.rint(height * scale)));
            Imgproc.resize(mat, mat, size, 0, 0, Imgproc.INTER_AREA);
        }
        MatOfByte encoded = new MatOfByte();
        MatOfInt quality = new MatOfInt(Imgcodecs.IMWRITE_JPEG_QUALITY, 85);
        Imgcodecs.imencode(".jpg", mat, encoded, quality);
        byte[] bytes = encoded.toArray();
        quality.release();
        encoded.release();
        mat.release();
        return bytes;
    }

    /** Writes it as a PNG, to a temporary name that is then renamed. */
    public void write(Path file) throws IOException {
        Mat mat = toMat();
        writePng(mat, file);
        mat.release();
    }

    /** The picture in OpenCV's order (blue, green, red); the caller releases it. */
    public Mat toMat() {
        Mat mat = new Mat(height, width, CvType.CV_8UC3);
        mat.put(0, 0, rgb);
        Imgproc.cvtColor(mat, mat, Imgproc.COLOR_RGB2BGR);
        return mat;
    }

    /** A picture in OpenCV's order (blue, green, red), which is released. */
    public static Picture ofBgr(Mat bgr) {
        Imgproc.cvtColor(bgr, bgr, Imgproc.COLOR_BGR2RGB);
        byte[] rgb = new byte[3 * bgr.rows() * bgr.cols()];
        bgr.get(0, 0, rgb);
        Picture picture = new Picture(bgr.cols(), bgr.rows(), rgb);
        bgr.release();
        return picture;
    }

    /** A piece at a time: a sheet of pictures may be larger than Java's heap. */
    private static void write(Mat encoded, Path file) throws IOException {
        int size = Math.toIntExact(encoded.total());
        byte[] piece = new byte[1 << 20];
        try (OutputStream out = Files.newOutputStream(file)) {
            for (int at = 0; at < size; at += piece.length) {
                Mat part = encoded.rowRange(at, Math.min(size, at + piece.length));
                part.get(0, 0, piece);
                out.write(piece, 0, part.rows());
                part.release();
            }
        }
    }

    /** A picture in OpenCV's order (blue, green, red), which stays the caller's, as the bytes of a PNG. */
    public static byte[] png(Mat bgr) throws IOException {
        MatOfByte encoded = new MatOfByte();
        try {
            if (!Imgcodecs.imencode(".png", bgr, encoded)) {
                throw new IOException(
                        "a picture of %d x %d pixels could not be encoded as PNG".formatted(bgr.width(), bgr.height()));
            }
            return encoded.toArray();
        } finally {
            encoded.release();
        }
    }

    static void writePng(Mat mat, Path file) throws IOException {
        MatOfByte encoded = new MatOfByte();
        try {
            if (!Imgcodecs.imencode(".png", mat, encoded)) {
                throw new IOException(file + " could not be encoded as PNG");
            }
            WholeFile.write(file, temporary -> write(encoded, temporary));
        } finally {
            encoded.release();
        }
    }
}
