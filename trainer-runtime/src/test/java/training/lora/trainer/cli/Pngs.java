package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import javax.imageio.ImageIO;

/** Pictures that commands drew. */
final class Pngs {
    private Pngs() {}

    /** Runs {@code sample} for a picture of a cat, of 64 pixels by two steps, into {@code out}. */
    static Ran draw(Path base, Path out, String... more) {
        List<String> arguments = new ArrayList<>(List.of("sample", "--base", base.toString(), "--prompt", "a cat"));
        arguments.addAll(List.of("--steps", "2", "--resolution", "64", "--out", out.toString()));
        arguments.addAll(List.of(more));
        return Ran.of(arguments.toArray(String[]::new));
    }

    /** The picture that {@link #draw} draws. */
    static byte[] drawn(Path base, Path out, String... more) throws IOException {
        Ran ran = draw(base, out, more);
        assertThat(ran.code()).as(ran.error()).isZero();
        return Files.readAllBytes(out.resolve("a-cat-0.png"));
    }

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
