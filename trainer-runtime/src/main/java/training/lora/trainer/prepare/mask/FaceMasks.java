package training.lora.trainer.prepare.mask;

import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.opencv.core.Core;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.MatOfPoint;
import org.opencv.core.Point;
import org.opencv.core.Scalar;
import org.opencv.core.Size;
import org.opencv.imgproc.Imgproc;
import training.lora.api.FaceChoice;
import training.lora.api.MaskSpec;
import training.lora.trainer.face.FaceFinder;
import training.lora.trainer.face.Outline;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.prepare.picture.Photo;

/** The ovals of faces, filled. */
final class FaceMasks implements MaskMaker {
    private final FaceFinder finder;
    private final MaskSpec spec;
    private final String digest;

    /**
     * @param finder closed with this
     * @param digest of its models
     */
    FaceMasks(FaceFinder finder, MaskSpec spec, String digest) {
        this.finder = finder;
        this.spec = spec;
        this.digest = digest;
    }

    @Override
    public @Nullable Mat mask(Item item, Photo photo) {
        List<Outline> faces = finder.find(photo.colour());
        return faces.isEmpty()
                ? null
                : of(
                        spec.faces() == FaceChoice.Largest ? faces.subList(0, 1) : faces,
                        photo.colour().size());
    }

    private Mat of(List<Outline> faces, Size picture) {
        Size size = SoftMask.drawn(picture);
        double scale = size.width / picture.width;
        Mat mask = new Mat(size, CvType.CV_8U, new Scalar(0));
        for (Outline face : faces) {
            MatOfPoint oval = new MatOfPoint(Stream.of(face.oval())
                    .map(p -> new Point(Math.round(p.x * scale), Math.round(p.y * scale)))
                    .toArray(Point[]::new));
            Imgproc.fillPoly(mask, List.of(oval), new Scalar(255));
            oval.release();
        }
        // As in Eden's trainer, who adds a twentieth of 255 and lets it end at 255.
        Core.add(mask, new Scalar(255 * spec.bias()), mask);
        return SoftMask.finish(mask, picture, (int) (spec.blurred() * picture.width));
    }

    @Override
    public boolean looksFor(Item item) {
        return true;
    }

    @Override
    public String key(Item item) {
        return "%s %s %s %s %s".formatted(spec.source(), digest, spec.faces(), spec.bias(), spec.blurred());
    }

    @Override
    public void close() {
        finder.close();
    }
}
