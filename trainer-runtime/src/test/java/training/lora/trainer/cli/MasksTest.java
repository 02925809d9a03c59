package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import nu.pattern.OpenCV;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.Rect;
import org.opencv.core.Scalar;
import org.opencv.imgcodecs.Imgcodecs;
import training.lora.api.Reason;
import training.lora.trainer.dataset.PreparedDataset;

/** Which parts of the pictures are learned: 64 pixels a side, prepared to 16. */
class MasksTest {
    private static final String FILES = "preparation.mask.source=Files";

    static {
        OpenCV.loadLocally();
    }

    @TempDir
    Path folder;

    private TinyRun tiny;

    @BeforeEach
    void tinyRun() throws IOException {
        tiny = TinyRun.create(folder, "steps: 2, captions: {dropout: 0}, adapter: {rank: 2}");
        for (String name : List.of("bat", "crab", "pear")) {
            write(name + ".png", new Mat(64, 64, CvType.CV_8UC3, new Scalar(10, 20, 200)));
        }
    }

    private void write(String name, Mat picture) {
        Imgcodecs.imwrite(folder.resolve("data").resolve(name).toString(), picture);
        picture.release();
    }

    private static Mat leftHalf() {
        Mat mask = Mat.zeros(64, 64, CvType.CV_8U);
        mask.submat(new Rect(0, 0, 32, 64)).setTo(new Scalar(255));
        return mask;
    }

    private void masks() {
        for (String name : List.of("bat", "crab", "pear")) {
            write(name + "-masklabel.png", leftHalf());
        }
    }

    private float[][] prepared() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                PreparedDataset data = PreparedDataset.open(tiny.workspace().resolve("dataset"))) {
            assertThat(data.masked()).isTrue();
            float[][] masks = new float[data.size()][];
            for (int i = 0; i < masks.length; i++) {
                assertThat(data.mask(i, manager).getShape().dimension()).isEqualTo(3);
                assertThat(data.mask(i, manager).getShape().slice(1))
                        .isEqualTo(data.latentMean(i, manager).getShape().slice(1));
                masks[i] = data.mask(i, manager).toFloatArray();
            }
            return masks;
        }
    }

    private static double mean(float[] values) {
        double sum = 0;
        for (float value : values) {
            sum += value;
        }
        return sum / values.length;
    }

    @Test
    void fileBesideThePictureIsItsMaskAtTheSizeOfTheLatentsAndChangesWhatIsLearned() throws IOException {
        masks();
        assertThat(tiny.run("prepare", "--set", FILES).code()).isZero();
        assertThat(tiny.run("train", "--set", FILES).code()).isZero();
        TinyRun whole = tiny.in(folder.resolve("whole"));
        assertThat(whole.run("prepare").code()).isZero();
        assertThat(whole.run("train").code()).isZero();

        float[][] masks = prepared();
        assertThat(masks.length).isEqualTo(3);
        for (float[] mask : masks) {
            assertThat(mask[0]).isEqualTo(1);
            assertThat(mask[mask.length - 1]).isZero();
            assertThat(mean(mask)).isEqualTo(0.5);
        }
        assertThat(tiny.lora()).isNotEqualTo(whole.lora());
    }

    @Test
    void alphaChannelIsTheMaskAndAPictureWithoutOneCountsAsAWhole() {
        Mat picture = new Mat(64, 64, CvType.CV_8UC4, new Scalar(10, 20, 200, 0));
        picture.submat(new Rect(0, 0, 16, 64)).setTo(new Scalar(10, 20, 200, 255));
        write("bat.png", picture);

        assertThat(tiny.run("prepare", "--set", "preparation.mask.source=Alpha").code())
                .isZero();

        float[][] masks = prepared();
        assertThat(mean(masks[0])).isEqualTo(0.25);
        assertThat(masks[1]).containsOnly(1);
    }

    @Test
    void everyPictureWithoutAMaskIsNamedWhereOthersHaveOne() throws IOException {
        masks();
        Files.delete(folder.resolve("data/crab-masklabel.png"));
        Files.delete(folder.resolve("data/pear-masklabel.png"));

        Ran ended = tiny.run("prepare", "--set", FILES);

        assertThat(ended.code()).isEqualTo(Reason.InvalidData.exitCode());
        assertThat(ended.error()).contains("but these have none: main/crab.png, main/pear.png");
    }

    @Test
    void masksThatAreMissingBlackOrOfAnotherSizeAreRefused() throws IOException {
        assertThat(tiny.run("prepare", "--set", FILES).error())
                .contains("`spec.preparation.mask.source` is Files, so that pictures must have masks");
        masks();
        write("bat-masklabel.png", Mat.zeros(64, 64, CvType.CV_8U));
        write("pear-masklabel.png", Mat.ones(32, 64, CvType.CV_8U));

        Ran ended = tiny.run("prepare", "--set", FILES);

        assertThat(ended.code()).isEqualTo(Reason.InvalidData.exitCode());
        assertThat(ended.error())
                .contains("the mask of main/bat.png leaves nothing of it")
                .contains("the mask of main/pear.png has 64x32 pixels and the picture 64x64");
    }
}
