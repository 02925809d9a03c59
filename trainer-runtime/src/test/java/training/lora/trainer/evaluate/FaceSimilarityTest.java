package training.lora.trainer.evaluate;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.opencv.core.Core;
import org.opencv.core.Mat;
import org.opencv.imgcodecs.Imgcodecs;
import org.opencv.imgproc.Imgproc;
import training.lora.trainer.Goldens;
import training.lora.trainer.OpenCvLibrary;
import training.lora.trainer.dataset.Concepts;
import training.lora.trainer.face.FaceFinder;
import training.lora.trainer.face.FaceRecogniser;

/** With a random tiny network of SFace's contract (helper_goldens.py). */
class FaceSimilarityTest {
    private static final String FIELD = "spec.evaluation.faces.uri";
    private static final Path PORTRAIT = Path.of("src/test/resources/faces/astronaut.jpg");

    static {
        OpenCvLibrary.load();
    }

    @TempDir
    Path folder;

    private static ConceptShare share(String dataset) {
        Embeddings none = new Embeddings(new double[0][]);
        return new ConceptShare(
                new Concepts.Concept(dataset, "TOK", List.of(dataset)),
                new int[0],
                new int[0],
                none,
                new PromptTexts(List.of(), none));
    }

    @Test
    void picturesAreComparedWithTheTrainingFacesAndAPictureWithoutAFaceHasZero() throws IOException {
        Mat portrait = Imgcodecs.imread(PORTRAIT.toString());
        Mat turned = new Mat();
        Mat matrix = Imgproc.getRotationMatrix2D(new org.opencv.core.Point(160, 160), 20, 0.8);
        Imgproc.warpAffine(portrait, turned, matrix, portrait.size(), Imgproc.INTER_AREA, Core.BORDER_REPLICATE);
        Path other = folder.resolve("turned.png");
        Imgcodecs.imwrite(other.toString(), turned);
        Path without = Goldens.BUNDLED.resolve("fluent-style/blueberries.png");
        AtomicInteger opened = new AtomicInteger();
        FaceSimilarity metric = new FaceSimilarity(Set.of("person"), share -> List.of(PORTRAIT, without), () -> {
            opened.incrementAndGet();
            return FaceRecogniser.open(
                    FaceFinder.open(FIELD, Goldens.BUNDLED.resolve("faces")),
                    FIELD,
                    Path.of("src/test/resources/helper-goldens/sface.onnx"));
        });
        List<Path> files = List.of(PORTRAIT, other, without);

        double[] person = metric.of(share("person"), files, new Embeddings(new double[0][]));
        double[] thing = metric.of(share("thing"), files, new Embeddings(new double[0][]));

        assertThat(person[0]).isCloseTo(1, Offset.offset(1e-6));
        assertThat(person[1]).isBetween(0.9, 0.9999);
        assertThat(person[2]).isZero();
        assertThat(thing).containsOnly(Double.NaN);
        assertThat(opened).hasValue(1);
        assertThat(metric.among(share("person"))).as("of one face").isEqualTo(1);
        assertThat(metric.among(share("thing"))).isNaN();
        FaceSimilarity two = new FaceSimilarity(
                Set.of("person"),
                share -> List.of(PORTRAIT, without, other),
                () -> FaceRecogniser.open(
                        FaceFinder.open(FIELD, Goldens.BUNDLED.resolve("faces")),
                        FIELD,
                        Path.of("src/test/resources/helper-goldens/sface.onnx")));
        assertThat(two.among(share("person"))).isCloseTo(person[1], Offset.offset(1e-9));
        portrait.release();
        turned.release();
        matrix.release();
    }
}
