package training.lora.trainer.prepare.picture;

/**
 * How pictures are read.
 *
 * @param background colour behind transparent parts, {@code #rrggbb}
 * @param maxPixels how many a picture may have
 */
public record PictureOptions(String background, long maxPixels) {
    /** White, and as many pixels as OpenCV takes. */
    public static final PictureOptions DEFAULT = new PictureOptions("#ffffff", 1L << 30);

    /** Blue, green and red of the background. */
    int[] bgr() {
        int rgb = Integer.parseInt(background.substring(1), 16);
        return new int[] {rgb & 0xff, rgb >> 8 & 0xff, rgb >> 16};
    }
}
