package training.lora.trainer.evaluate;

import java.nio.file.Path;
import java.util.List;

/** A number that is measured of each picture for itself; its mean is reported beside what CLIP says. */
interface PictureMetric {
    /** Its name among the metrics. */
    String name();

    /** What it is, for the report. */
    String definition();

    /**
     * Measures.
     *
     * @param concept what the pictures are measured for
     * @param files the pictures
     * @param vectors CLIP's of them (N, D)
     * @return N numbers; NaN where a picture has none
     */
    double[] of(ConceptShare concept, List<Path> files, Embeddings vectors);
}
