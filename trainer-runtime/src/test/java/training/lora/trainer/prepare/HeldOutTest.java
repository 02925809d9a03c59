package training.lora.trainer.prepare;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import nu.pattern.OpenCV;
import org.junit.jupiter.api.Test;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.Scalar;
import training.lora.trainer.SmallHeap;
import training.lora.trainer.files.Sha256;

class HeldOutTest {
    static {
        OpenCV.loadLocally();
    }

    /** 10000 x 10000 pixels are 286 MiB. */
    static final class LargePhoto {
        private LargePhoto() {}

        public static void main(String[] arguments) {
            OpenCV.loadLocally();
            Mat photo = new Mat(10000, 10000, CvType.CV_8UC3, new Scalar(1, 2, 3));
            String digest = HeldOut.digest(photo);
            photo.release();
            if (digest.length() != 64) {
                throw new IllegalStateException("the digest is " + digest);
            }
        }
    }

    @Test
    void photoIsComparedInAHeapThatCannotHoldIt() throws Exception {
        SmallHeap.run(64, LargePhoto.class);
    }

    @Test
    void digestIsOfSizeAndPixels() {
        Mat wide = new Mat(2, 3, CvType.CV_8UC3);
        byte[] pixels = new byte[18];
        for (int i = 0; i < pixels.length; i++) {
            pixels[i] = (byte) (11 * i);
        }
        wide.put(0, 0, pixels);
        Mat tall = wide.reshape(3, 3);

        assertThat(HeldOut.digest(wide))
                .isEqualTo(
                        new Sha256().add("3x2\n").add(ByteBuffer.wrap(pixels)).hex())
                .isNotEqualTo(HeldOut.digest(tall));
        wide.release();
        tall.release();
    }
}
