package training.lora.trainer.prepare.picture;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.opencv.core.Core;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.MatOfByte;
import org.opencv.core.MatOfInt;
import org.opencv.core.Scalar;
import org.opencv.core.Size;
import org.opencv.imgcodecs.Imgcodecs;
import org.opencv.imgproc.Imgproc;
import training.lora.trainer.Goldens;
import training.lora.trainer.OpenCvLibrary;
import training.lora.trainer.prepare.place.CentreCrop;
import training.lora.trainer.prepare.place.Place;

/** Large JPEGs are decoded to fewer pixels. */
class ReductionTest {
    static {
        OpenCvLibrary.load();
    }

    @TempDir
    Path folder;

    /** 1000 x 600 pixels, with edges and fine grain. */
    private static Mat scene() {
        Mat small = Imgcodecs.imread(
                Goldens.BUNDLED.resolve("fluent-cats/cat-face.png").toString());
        Mat scene = new Mat();
        Imgproc.resize(small, scene, new Size(1000, 600), 0, 0, Imgproc.INTER_CUBIC);
        Mat grain = new Mat(scene.size(), scene.type());
        Core.setRNGSeed(0);
        Core.randn(grain, 0, 6);
        Core.add(scene, grain, scene);
        return scene;
    }

    private static byte[] encoded(String form, Mat picture) {
        MatOfByte bytes = new MatOfByte();
        Imgcodecs.imencode(form, picture, bytes, new MatOfInt(Imgcodecs.IMWRITE_JPEG_QUALITY, 92));
        return bytes.toArray();
    }

    /** With an EXIF segment that says how it is turned. */
    private static byte[] turned(byte[] jpeg, int orientation) throws IOException {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        all.write(jpeg, 0, 2);
        all.writeBytes(new byte[] {(byte) 0xFF, (byte) 0xE1, 0, 34});
        all.writeBytes("Exif\0\0".getBytes(java.nio.charset.StandardCharsets.ISO_8859_1));
        all.writeBytes(
                new byte[] {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, (byte) orientation, 0, 0});
        all.writeBytes(new byte[] {0, 0, 0, 0});
        all.write(jpeg, 2, jpeg.length - 2);
        return all.toByteArray();
    }

    private Photo read(byte[] file, Reduction reduction) throws IOException, UnreadablePictureException {
        return Photo.read(Files.write(folder.resolve("picture"), file), PictureOptions.DEFAULT, reduction);
    }

    @Test
    void reducedPictureLooksAsTheWholeOneOnceItIsScaled() throws Exception {
        byte[] jpeg = encoded(".jpg", scene());
        Place place = new CentreCrop(128).place(1000, 600);

        try (Photo whole = read(jpeg, Reduction.NONE);
                Photo half = read(jpeg, (width, height) -> 2)) {
            Mat difference = new Mat();
            Core.absdiff(place.cut(whole.colour()), place.cut(half.colour()), difference);

            assertThat(half.colour().size()).isEqualTo(new Size(500, 300));
            assertThat(half.width()).isEqualTo(1000);
            assertThat(half.height()).isEqualTo(600);
            assertThat(Core.mean(difference).val[0]).isLessThan(1);
            assertThat(Core.norm(difference, Core.NORM_INF)).isLessThan(12);
        }
    }

    @Test
    void reductionIsAskedForTheUprightPictureAndRoundedDown() throws Exception {
        byte[] jpeg = turned(encoded(".jpg", scene()), 6);

        try (Photo photo = read(jpeg, (width, height) -> width == 600 && height == 1000 ? 7 : 1);
                Photo most = read(jpeg, (width, height) -> 100)) {
            assertThat(photo.colour().size()).isEqualTo(new Size(150, 250));
            assertThat(photo.width()).isEqualTo(600);
            assertThat(photo.height()).isEqualTo(1000);
            assertThat(most.colour().size()).isEqualTo(new Size(75, 125));
        }
    }

    @Test
    void otherFilesAreDecodedWhole() throws Exception {
        Mat grey = new Mat(400, 400, CvType.CV_8U, new Scalar(90));

        try (Photo png = read(encoded(".png", scene()), (width, height) -> 4);
                Photo greyJpeg = read(encoded(".jpg", grey), (width, height) -> 4)) {
            assertThat(png.colour().size()).isEqualTo(new Size(1000, 600));
            assertThat(greyJpeg.colour().size()).isEqualTo(new Size(400, 400));
        }
    }
}
