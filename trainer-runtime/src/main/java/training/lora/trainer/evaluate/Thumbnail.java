package training.lora.trainer.evaluate;

import java.nio.file.Path;
import training.lora.trainer.sample.Picture;

/**
 * A picture of any size as 32 x 32 pixels, each the mean of the area that it covers: what is left to compare two pictures by
 * pixels, whatever their sizes.
 *
 * @param values 32 x 32 x (red, green, blue), from 0 to 1
 */
record Thumbnail(float[] values) {
    static final int SIDE = 32;

    static Thumbnail of(Path file) {
        return of(Picture.read(file));
    }

    static Thumbnail of(Picture picture) {
        int width = picture.width();
        int height = picture.height();
        double[] columns = new double[height * SIDE * 3];
        for (int y = 0; y < height; y++) {
            for (int cell = 0; cell < SIDE; cell++) {
                double from = (double) cell * width / SIDE;
                double to = (cell + 1.0) * width / SIDE;
                for (int x = (int) from; x < Math.min(width, Math.ceil(to)); x++) {
                    double part = (Math.min(x + 1, to) - Math.max(x, from)) / (to - from);
                    for (int c = 0; c < 3; c++) {
                        columns[(y * SIDE + cell) * 3 + c] +=
                                part * (picture.rgb()[(y * width + x) * 3 + c] & 0xff) / 255;
                    }
                }
            }
        }
        double[] cells = new double[SIDE * SIDE * 3];
        for (int cell = 0; cell < SIDE; cell++) {
            double from = (double) cell * height / SIDE;
            double to = (cell + 1.0) * height / SIDE;
            for (int y = (int) from; y < Math.min(height, Math.ceil(to)); y++) {
                double part = (Math.min(y + 1, to) - Math.max(y, from)) / (to - from);
                for (int i = 0; i < SIDE * 3; i++) {
                    cells[cell * SIDE * 3 + i] += part * columns[y * SIDE * 3 + i];
                }
            }
        }
        float[] values = new float[cells.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) cells[i];
        }
        return new Thumbnail(values);
    }

    /** The root of the mean squared difference, the lesser of {@code other}'s and of its mirror image's. */
    double distance(Thumbnail other) {
        double straight = 0;
        double mirrored = 0;
        for (int y = 0; y < SIDE; y++) {
            for (int x = 0; x < SIDE; x++) {
                for (int c = 0; c < 3; c++) {
                    float value = values[(y * SIDE + x) * 3 + c];
                    double a = value - other.values[(y * SIDE + x) * 3 + c];
                    double b = value - other.values[(y * SIDE + SIDE - 1 - x) * 3 + c];
                    straight += a * a;
                    mirrored += b * b;
                }
            }
        }
        return Math.sqrt(Math.min(straight, mirrored) / values.length);
    }
}
