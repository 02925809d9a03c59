package training.lora.trainer.face;

import org.opencv.core.Mat;

/** Pixels as networks of faces take them. */
final class FaceInput {
    private FaceInput() {}

    /** (3, height, width), red first, from {@code shift} to {@code shift + range}; {@code bgr} stays the caller's. */
    static float[] of(Mat bgr, float range, float shift) {
        int plane = bgr.width() * bgr.height();
        byte[] bytes = new byte[3 * plane];
        bgr.get(0, 0, bytes);
        float[] values = new float[3 * plane];
        for (int c = 0; c < 3; c++) {
            for (int i = 0; i < plane; i++) {
                values[c * plane + i] = (bytes[3 * i + 2 - c] & 0xff) / 255f * range + shift;
            }
        }
        return values;
    }
}
