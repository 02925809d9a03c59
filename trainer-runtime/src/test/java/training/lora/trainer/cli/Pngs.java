package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.stream.IntStream;
import javax.imageio.ImageIO;

/** Pictures that commands drew. */
final class Pngs {
    private Pngs() {}

    /** The greatest difference of the levels, 0 to 255, of two PNGs of one size. */
    static int difference(byte[] a, byte[] b) throws IOException {
        BufferedImage first = ImageIO.read(new ByteArrayInputStream(a));
        BufferedImage second = ImageIO.read(new ByteArrayInputStream(b));
        int[] x = first.getRaster().getPixels(0, 0, first.getWidth(), first.getHeight(), (int[]) null);
        int[] y = second.getRaster().getPixels(0, 0, second.getWidth(), second.getHeight(), (int[]) null);
        assertThat(y).hasSameSizeAs(x);
        return IntStream.range(0, x.length)
                .map(i -> Math.abs(x[i] - y[i]))
                .max()
                .orElseThrow();
    }
}
