package training.lora.trainer.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static training.lora.trainer.sample.RandomPictures.random;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.opencv.core.Mat;
import org.opencv.imgcodecs.Imgcodecs;
import training.lora.trainer.Goldens;
import training.lora.trainer.SmallHeap;
import training.lora.trainer.model.text.Clip;
import training.lora.trainer.sample.PictureGrid;

/** That pictures are not all in Java's heap at once. */
class PictureMemoryTest {
    private static final int COUNT = 60;

    private static final int SIDE = 1024;

    @TempDir
    Path folder;

    /** {@link #COUNT} pictures take 180 MiB. */
    static final class Evaluated {
        private Evaluated() {}

        public static void main(String[] arguments) throws IOException {
            List<Path> files = Collections.nCopies(COUNT, Path.of(arguments[0]));
            try (NDManager manager = NDManager.newBaseManager("PyTorch");
                    Clip clip = Clip.open(Goldens.BUNDLED.resolve("emoji-clip"), manager)) {
                Embeddings all = new ClipEmbedder(clip, manager).pictures(files);
                if (all.size() != COUNT || all.row(0).length != 128) {
                    throw new IllegalStateException(
                            "there are %d embeddings of length %d".formatted(all.size(), all.row(0).length));
                }
            }
            List<PictureGrid.Column> columns = new ArrayList<>();
            for (int i = 0; i < 6; i++) {
                columns.add(new PictureGrid.Column("step " + i, files.subList(0, COUNT / 6), false));
            }
            PictureGrid.write(Path.of(arguments[1]), List.of(), Collections.nCopies(COUNT / 6, "a prompt"), columns);
        }
    }

    @Test
    void picturesAreMeasuredAndLaidOutInAHeapThatHoldsFewOfThem() throws Exception {
        Path picture = folder.resolve("picture.png");
        random(1, SIDE, SIDE).write(picture);
        Path sheet = folder.resolve("sheet.png");

        SmallHeap.run(64, Evaluated.class, picture.toString(), sheet.toString());

        Mat read = Imgcodecs.imread(sheet.toString());
        // 64 million pixels in 60 cells are 1032 a side: the pictures keep their size.
        assertThat(read.width()).isEqualTo(8 + 6 * (SIDE + 8));
        read.release();
    }

    @Test
    void picturesMeasureTheSameWhateverStandsBesideThem() throws IOException {
        List<Path> files = new ArrayList<>();
        for (int i = 0; i < 19; i++) {
            files.add(folder.resolve(i + ".png"));
            random(i, 150, 200).write(files.get(i));
        }
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                Clip clip = Clip.open(Goldens.BUNDLED.resolve("emoji-clip"), manager)) {
            ClipEmbedder embedder = new ClipEmbedder(clip, manager);

            Embeddings all = embedder.pictures(files);
            Embeddings last = embedder.pictures(files.subList(18, 19));

            assertThat(all.size()).isEqualTo(19);
            assertThat(Embeddings.dot(all.row(18), last.row(0))).isGreaterThan(0.9999);
            assertThat(Embeddings.dot(all.row(0), last.row(0))).isLessThan(0.9999);
        }
    }
}
