package training.lora.trainer.picture;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.opencv.core.Mat;
import org.opencv.imgcodecs.Imgcodecs;
import org.opencv.imgproc.Imgproc;
import training.lora.trainer.Goldens;
import training.lora.trainer.OpenCvLibrary;
import training.lora.trainer.tensor.ComputeDevice;

/** Against Pillow, by src/test/goldens/segment_goldens.py. */
class PillowResizeTest {
    static {
        OpenCvLibrary.load();
    }

    @ParameterizedTest
    @CsvSource({"31, 77, 2", "30, 200, 3", "150, 50, 3", "64, 64, 1", "20, 101, 2"})
    void pixelsAreThoseOfPillow(int width, int height, int filter) {
        Path picture = Goldens.FOLDER.resolve("clipseg/bat.png");
        try (var manager = ComputeDevice.CPU.newManager();
                Goldens goldens = new Goldens("clipseg", manager)) {
            Mat bgr = Imgcodecs.imread(picture.toString());

            Mat resized = PillowResize.resize(bgr, width, height, PillowResize.Filter.of(filter));

            Imgproc.cvtColor(resized, resized, Imgproc.COLOR_BGR2RGB);
            byte[] bytes = new byte[3 * width * height];
            resized.get(0, 0, bytes);
            float[] expected = goldens.get("resized.%d.%d.%d".formatted(width, height, filter))
                    .toFloatArray();
            int worst = 0;
            for (int i = 0; i < bytes.length; i++) {
                worst = Math.max(worst, (int) Math.abs((bytes[i] & 0xff) - expected[i]));
            }
            assertThat(expected).hasSameSizeAs(bytes);
            assertThat(worst).isZero();
            bgr.release();
            resized.release();
        }
    }
}
