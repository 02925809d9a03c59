package training.lora.trainer.prepare.picture;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDManager;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.opencv.core.Core;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import training.lora.trainer.OpenCvLibrary;
import training.lora.trainer.TrainerException;
import training.lora.trainer.tensor.SafeTensors;

class Swin2SrTest {
    private static final Path GOLDENS = Path.of("src/test/resources/swin2sr-goldens");
    private static final String FIELD = "spec.preparation.upscale.model.uri";

    static {
        OpenCvLibrary.load();
    }

    /** (1, 3, H, W) as 8-bit BGR. */
    private static Mat picture(SafeTensors golden, String name, NDManager manager) {
        var tensor = golden.read(name, manager);
        long[] shape = tensor.getShape().getShape();
        float[] values = tensor.toFloatArray();
        int height = (int) shape[2];
        int width = (int) shape[3];
        Mat picture = new Mat(height, width, CvType.CV_8UC3);
        byte[] bgr = new byte[values.length];
        for (int p = 0; p < width * height; p++) {
            for (int c = 0; c < 3; c++) {
                bgr[3 * p + 2 - c] = (byte) Math.round(values[c * width * height + p] * 255);
            }
        }
        picture.put(0, 0, bgr);
        return picture;
    }

    @ParameterizedTest
    @ValueSource(strings = {"exact", "odd"})
    void picturesComeOutAsFromTransformers(String name) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafeTensors golden = SafeTensors.open(GOLDENS.resolve("golden.safetensors"));
                Swin2Sr model = Swin2Sr.open(FIELD, GOLDENS, "", 128, 16)) {
            Mat expected = picture(golden, name + ".output", manager);

            Mat large = model.enlarge(picture(golden, name + ".input", manager));

            assertThat(large.size()).isEqualTo(expected.size());
            // The inputs are 8 bits here.
            assertThat(Core.norm(large, expected, Core.NORM_INF)).isLessThanOrEqualTo(1);
        }
    }

    @Test
    void tilesMakeTheSamePictureAsAWhole() {
        Mat picture = new Mat(70, 90, CvType.CV_8UC3);
        Core.randu(picture, 0, 255);
        try (Swin2Sr atOnce = Swin2Sr.open(FIELD, GOLDENS, "", 128, 16);
                Swin2Sr inTiles = Swin2Sr.open(FIELD, GOLDENS, "", 32, 16)) {
            Mat whole = atOnce.enlarge(picture);
            Mat tiled = inTiles.enlarge(picture);

            assertThat(tiled.size()).isEqualTo(whole.size());
            assertThat(whole.width()).isEqualTo(360);
            // Attention sees windows of 8 pixels, which are no others where tiles and margins are multiples of it.
            assertThat(Core.norm(tiled, whole, Core.NORM_INF)).isLessThanOrEqualTo(2);
        }
    }

    @Test
    void modelOfAnotherKindIsRefused() {
        Path other = Path.of("src/test/resources/onnx-goldens");

        assertThatThrownBy(() -> Swin2Sr.open(FIELD, other, "", 128, 16))
                .isInstanceOf(TrainerException.class)
                .hasMessageContaining(FIELD);
    }
}
