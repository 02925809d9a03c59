package training.lora.trainer.prepare.caption;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.MatOfByte;
import org.opencv.core.MatOfInt;
import org.opencv.core.Rect;
import org.opencv.core.Scalar;
import org.opencv.core.Size;
import org.opencv.imgcodecs.Imgcodecs;
import org.opencv.imgproc.Imgproc;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/**
 * Some pictures in one JPEG, from left to right and row by row on white, each fitted into a square cell.
 *
 * @param columns of cells
 * @param rows of cells
 */
record PictureSheet(int columns, int rows, byte[] jpeg) {
    private static final int QUALITY = 90;

    private static final int GAP = 8;

    /** @param side of a cell in pixels */
    static PictureSheet of(List<Path> files, int side) throws IOException {
        int columns = (int) Math.ceil(Math.sqrt(files.size()));
        int rows = (files.size() + columns - 1) / columns;
        Mat sheet = new Mat(
                rows * side + (rows - 1) * GAP,
                columns * side + (columns - 1) * GAP,
                CvType.CV_8UC3,
                new Scalar(255, 255, 255));
        for (int i = 0; i < files.size(); i++) {
            Mat picture = decode(files.get(i));
            double scale = (double) side / Math.max(picture.cols(), picture.rows());
            Mat scaled = new Mat();
            Size size = new Size(
                    Math.max(1, Math.round(picture.cols() * scale)), Math.max(1, Math.round(picture.rows() * scale)));
            Imgproc.resize(picture, scaled, size, 0, 0, scale < 1 ? Imgproc.INTER_AREA : Imgproc.INTER_CUBIC);
            int left = i % columns * (side + GAP) + (side - scaled.cols()) / 2;
            int top = i / columns * (side + GAP) + (side - scaled.rows()) / 2;
            Mat cell = sheet.submat(new Rect(left, top, scaled.cols(), scaled.rows()));
            scaled.copyTo(cell);
            cell.release();
            scaled.release();
            picture.release();
        }
        MatOfByte encoded = new MatOfByte();
        MatOfInt quality = new MatOfInt(Imgcodecs.IMWRITE_JPEG_QUALITY, QUALITY);
        Imgcodecs.imencode(".jpg", sheet, encoded, quality);
        byte[] jpeg = encoded.toArray();
        encoded.release();
        quality.release();
        sheet.release();
        return new PictureSheet(columns, rows, jpeg);
    }

    private static Mat decode(Path file) throws IOException {
        MatOfByte bytes = new MatOfByte(Files.readAllBytes(file));
        Mat picture = Imgcodecs.imdecode(bytes, Imgcodecs.IMREAD_COLOR);
        bytes.release();
        if (picture.empty()) {
            throw new TrainerException(Reason.InvalidData, file + " must be a readable picture");
        }
        return picture;
    }
}
