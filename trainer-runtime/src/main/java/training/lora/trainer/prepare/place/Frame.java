package training.lora.trainer.prepare.place;

/**
 * The size that a picture is brought to, in pixels.
 *
 * @param width a multiple of 64
 * @param height a multiple of 64
 */
public record Frame(int width, int height) {
    /** What sides are multiples of. */
    static final int UNIT = 64;

    /** A square. */
    static Frame square(int side) {
        return new Frame(side, side);
    }

    /** What a picture of that size is scaled by to cover it. */
    double cover(int pictureWidth, int pictureHeight) {
        return Math.max((double) width / pictureWidth, (double) height / pictureHeight);
    }

    int area() {
        return width * height;
    }

    double ratio() {
        return (double) width / height;
    }
}
