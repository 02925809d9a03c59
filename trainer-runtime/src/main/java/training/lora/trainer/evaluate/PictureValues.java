package training.lora.trainer.evaluate;

import java.util.Map;

/**
 * What was measured of each of a set of pictures, for one concept.
 *
 * @param vectors CLIP's (N, D)
 * @param values other numbers, N of each name; NaN where a picture has none
 */
record PictureValues(Embeddings vectors, Map<String, double[]> values) {
    static PictureValues of(Embeddings vectors) {
        return new PictureValues(vectors, Map.of());
    }
}
