package training.lora.trainer.prepare.place;

import io.soabase.recordbuilder.core.RecordBuilder;
import org.opencv.core.Mat;
import org.opencv.core.Rect;
import org.opencv.core.Size;
import org.opencv.imgproc.Imgproc;
import training.lora.trainer.model.unet.PictureSizes;
import training.lora.trainer.model.unet.PictureSizesBuilder;

/**
 * A part of a scaled picture.
 *
 * @param scaledWidth of the whole picture, once scaled
 * @param scaledHeight of the whole picture, once scaled
 * @param left first column of the part in the scaled picture
 * @param top first row of the part in the scaled picture
 * @param width of the part
 * @param height of the part
 */
@RecordBuilder
public record Place(int scaledWidth, int scaledHeight, int left, int top, int width, int height) {
    /** The part of a picture or mask, which stays the caller's. */
    public Mat cut(Mat whole) {
        Mat scaled = whole;
        if (whole.width() != scaledWidth || whole.height() != scaledHeight) {
            scaled = new Mat();
            boolean smaller = (long) scaledWidth * scaledHeight < (long) whole.width() * whole.height();
            int filter = smaller ? Imgproc.INTER_AREA : Imgproc.INTER_LANCZOS4;
            Imgproc.resize(whole, scaled, new Size(scaledWidth, scaledHeight), 0, 0, filter);
        }
        // It holds the scaled picture's pixels for as long as it isn't released.
        Mat part = scaled.submat(new Rect(left, top, width, height));
        Mat cut = part.clone();
        part.release();
        if (scaled != whole) {
            scaled.release();
        }
        return cut;
    }

    /** What SDXL is told of it. */
    public PictureSizes sizes(int originalWidth, int originalHeight) {
        return PictureSizesBuilder.builder()
                .originalHeight(originalHeight)
                .originalWidth(originalWidth)
                .top(top)
                .left(left)
                .height(height)
                .width(width)
                .build();
    }
}
