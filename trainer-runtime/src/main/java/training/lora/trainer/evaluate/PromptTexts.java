package training.lora.trainer.evaluate;

import java.util.List;
import java.util.stream.IntStream;

/**
 * What CLIP compares pictures with: their prompts, in words that it knows.
 *
 * @param texts one a picture
 * @param vectors of these (N, D)
 */
record PromptTexts(List<String> texts, Embeddings vectors) {
    /** How closely the pictures of the numbers {@code measured} follow theirs. */
    PromptFollowing following(int[] measured) {
        return new PromptFollowing(this, measured);
    }

    int[] all() {
        return IntStream.range(0, texts.size()).toArray();
    }

    String text(int i) {
        return texts.get(i);
    }

    double[] vector(int i) {
        return vectors.row(i);
    }
}
