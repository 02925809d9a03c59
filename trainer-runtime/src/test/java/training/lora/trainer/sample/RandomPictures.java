package training.lora.trainer.sample;

import java.util.Random;

/** Pictures of noise. */
public final class RandomPictures {
    private RandomPictures() {}

    /** One that follows from {@code seed}: no two of its parts are alike, and it hardly compresses. */
    public static Picture random(long seed, int width, int height) {
        byte[] rgb = new byte[3 * width * height];
        new Random(seed).nextBytes(rgb);
        return new Picture(width, height, rgb);
    }
}
