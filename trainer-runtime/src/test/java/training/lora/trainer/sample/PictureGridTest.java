package training.lora.trainer.sample;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The table of what was drawn, with the pictures that were learned from above it. */
class PictureGridTest {
    private static final int SIDE = 192;
    private static final int GAP = 8;

    @TempDir
    Path folder;

    private static Picture grey(int level) {
        byte[] rgb = new byte[3 * SIDE * SIDE];
        Arrays.fill(rgb, (byte) level);
        return new Picture(SIDE, SIDE, rgb);
    }

    private List<Path> files(int... levels) throws IOException {
        List<Path> files = new ArrayList<>();
        for (int level : levels) {
            files.add(folder.resolve(level + ".png"));
            grey(level).write(files.get(files.size() - 1));
        }
        return files;
    }

    private Picture written(List<PictureGrid.Strip> strips, int columns) throws IOException {
        Path file = folder.resolve("grid.png");
        List<PictureGrid.Column> all = new ArrayList<>();
        for (int i = 0; i < columns; i++) {
            all.add(new PictureGrid.Column("column " + i, files(200 + i), false));
        }
        PictureGrid.write(file, strips, List.of("a prompt"), all);
        return Picture.read(file);
    }

    /** The grey levels in the middle of each of {@code count} pictures beside each other. */
    private static List<Integer> levels(Picture sheet, int count, int side, int y) {
        return IntStream.range(0, count)
                .mapToObj(i -> {
                    int x = GAP + i * (side + GAP) + side / 2;
                    return sheet.rgb()[3 * (y * sheet.width() + x)] & 0xff;
                })
                .toList();
    }

    @Test
    void aStripStandsAboveTheColumnsAndMovesThemDown() throws IOException {
        Picture without = written(List.of(), 2);
        Picture with = written(List.of(new PictureGrid.Strip("trained on", files(10, 20, 30, 40))), 2);
        int small = (SIDE - GAP) / 2;
        int strip = with.height() - without.height();
        assertThat(strip).isBetween(small, SIDE);
        assertThat(with.width()).isEqualTo(without.width());
        assertThat(levels(with, 4, small, strip - GAP - small / 2)).containsExactly(10, 20, 30, 40);
        assertThat(levels(without, 2, SIDE, without.height() - SIDE / 2)).containsExactly(200, 201);
        assertThat(levels(with, 2, SIDE, with.height() - SIDE / 2)).containsExactly(200, 201);
    }

    @Test
    void manyLargePicturesAreMadeSmaller() throws IOException {
        Path large = folder.resolve("large.png");
        RandomPictures.random(1, 2048, 2048).write(large);
        Path file = folder.resolve("grid.png");

        PictureGrid.write(
                file,
                List.of(),
                Collections.nCopies(8, "a prompt"),
                Collections.nCopies(8, new PictureGrid.Column("step", Collections.nCopies(8, large), false)));

        // 64 million pixels in 64 cells are 1000 a side.
        assertThat(Picture.read(file).width()).isEqualTo(GAP + 8 * (1000 + GAP));
    }

    @Test
    void aStripShowsAsManyPicturesAsThereIsRoomForSpreadEvenly() {
        List<Integer> all = IntStream.range(0, 10).boxed().toList();
        assertThat(PictureGrid.spread(all, 4)).containsExactly(0, 2, 5, 7);
        assertThat(PictureGrid.spread(all, 20)).isEqualTo(all);
        assertThat(PictureGrid.spread(List.of(), 4)).isEmpty();
    }

    @Test
    void eachConceptHasAStripOfItsOwn() throws IOException {
        Picture one = written(List.of(new PictureGrid.Strip("a", files(10))), 1);
        Picture two =
                written(List.of(new PictureGrid.Strip("a", files(10)), new PictureGrid.Strip("b", files(20, 30))), 1);
        int small = (SIDE - GAP) / 2;
        int strip = two.height() - one.height();
        assertThat(levels(two, 1, small, strip - GAP - small / 2)).containsExactly(10);
        assertThat(levels(two, 2, small, 2 * strip - GAP - small / 2)).containsExactly(20, 30);
    }
}
