package training.lora.trainer.evaluate;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.opencv.core.Mat;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.ConceptMode;
import training.lora.api.DatasetSpec;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.face.FaceFinder;
import training.lora.trainer.face.FaceRecogniser;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.sample.Picture;
import training.lora.trainer.source.Source;

/**
 * How much the person in a picture is the one of the training pictures: the mean cosine of the largest face with theirs, for
 * concepts of mode Face. The models are open only while it measures.
 */
final class FaceSimilarity implements PictureMetric {
    static final String NAME = "faceSimilarity";

    private static final Logger LOG = LoggerFactory.getLogger(FaceSimilarity.class);

    private final Set<String> datasets;
    private final Function<ConceptShare, List<Path>> training;
    private final Supplier<FaceRecogniser> models;
    private final Map<ConceptShare, List<double[]>> known = new HashMap<>();

    /**
     * @param datasets names of those whose concepts are faces
     * @param training the training pictures of a concept
     * @param models opens them
     */
    FaceSimilarity(Set<String> datasets, Function<ConceptShare, List<Path>> training, Supplier<FaceRecogniser> models) {
        this.datasets = Set.copyOf(datasets);
        this.training = training;
        this.models = models;
    }

    /** The run's; null where it doesn't measure faces. */
    static @Nullable FaceSimilarity of(RunContext context, PreparedDataset data) {
        Source model = context.named().faces();
        Path file = context.faces();
        Set<String> faces = new HashSet<>();
        for (DatasetSpec dataset : context.run().spec().datasets()) {
            if (dataset.concept() != null && dataset.concept().mode() == ConceptMode.Face) {
                faces.add(dataset.name());
            }
        }
        if (model == null || file == null || faces.isEmpty()) {
            return null;
        }
        Source finder = context.named().faceFinder();
        return new FaceSimilarity(
                faces,
                share -> data.pictureFiles(share.concept().datasets()),
                () -> FaceRecogniser.open(
                        FaceFinder.open(finder.field(), context.sources().existing(finder)), model.field(), file));
    }

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public String definition() {
        return "of concepts of mode Face: mean over pictures of the mean cosine of the largest face with those of the training pictures, by spec.evaluation.faces; 0 without a face";
    }

    @Override
    public double[] of(ConceptShare concept, List<Path> files, Embeddings vectors) {
        double[] values = new double[files.size()];
        Arrays.fill(values, Double.NaN);
        if (!isFace(concept)) {
            return values;
        }
        try (FaceRecogniser recogniser = models.get()) {
            List<double[]> faces = known(recogniser, concept);
            for (int i = 0; i < values.length && !faces.isEmpty(); i++) {
                double[] vector = vector(recogniser, files.get(i));
                values[i] = vector == null ? 0 : mean(vector, faces);
            }
        }
        return values;
    }

    /** Mean cosine of the faces of a concept's training pictures with each other; 1 where there is one, NaN where there is none. */
    double among(ConceptShare concept) {
        if (isFace(concept)) {
            try (FaceRecogniser recogniser = models.get()) {
                return among(known(recogniser, concept));
            }
        }
        return Double.NaN;
    }

    private static double among(List<double[]> faces) {
        int m = faces.size();
        if (m < 2) {
            return m == 1 ? 1 : Double.NaN;
        }
        double sum = 0;
        for (int i = 0; i < m; i++) {
            for (int j = 0; j < i; j++) {
                sum += Embeddings.dot(faces.get(i), faces.get(j));
            }
        }
        return sum / (m * (m - 1) / 2.0);
    }

    private boolean isFace(ConceptShare concept) {
        return concept.concept().datasets().stream().anyMatch(datasets::contains);
    }

    private List<double[]> known(FaceRecogniser recogniser, ConceptShare concept) {
        List<double[]> faces = known.get(concept);
        if (faces == null) {
            faces = faces(recogniser, concept);
            known.put(concept, faces);
        }
        return faces;
    }

    private List<double[]> faces(FaceRecogniser recogniser, ConceptShare concept) {
        List<double[]> faces = new ArrayList<>();
        for (Path file : training.apply(concept)) {
            double[] vector = vector(recogniser, file);
            if (vector != null) {
                faces.add(vector);
            }
        }
        if (faces.isEmpty()) {
            LOG.warn("{} is not measured: no face is found in the training pictures", NAME);
        }
        return faces;
    }

    private static double @Nullable [] vector(FaceRecogniser recogniser, Path file) {
        Mat bgr = Picture.read(file).toMat();
        try {
            return recogniser.vector(bgr);
        } finally {
            bgr.release();
        }
    }

    private static double mean(double[] vector, List<double[]> faces) {
        double sum = 0;
        for (double[] face : faces) {
            sum += Embeddings.dot(vector, face);
        }
        return sum / faces.size();
    }
}
