package training.lora.trainer.evaluate;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * How closely pictures follow their texts: the cosine with the own text, less the mean of those with the other texts,
 * which is chance. CLIP's cosines of any picture with any text are far from 0 in most of its models, so that without this
 * a picture of nothing would seem to keep most of what it was asked for. Where there is one text alone, chance is 0.
 */
final class PromptFollowing {
    private final PromptTexts texts;
    private final int[] measured;
    private final double[] sum;
    private final int distinct;

    /**
     * Of some of the pictures.
     *
     * @param texts of all pictures
     * @param measured numbers of the pictures that count; those whose text is empty, which asks for nothing, don't
     * @param among numbers of the pictures whose texts are chance, with all of {@code measured}
     */
    PromptFollowing(PromptTexts texts, int[] measured, int[] among) {
        this.texts = texts;
        this.measured =
                Arrays.stream(measured).filter(i -> !texts.text(i).isBlank()).toArray();
        Map<String, double[]> different = new LinkedHashMap<>();
        for (int i : among) {
            if (!texts.text(i).isBlank()) {
                different.put(texts.text(i), texts.vector(i));
            }
        }
        this.distinct = different.size();
        this.sum = distinct == 0
                ? new double[0]
                : new Embeddings(different.values().toArray(double[][]::new)).sum();
    }

    /** Whether there are pictures that count. */
    boolean measures() {
        return measured.length > 0;
    }

    /** The mean over the pictures that count; there must be some. */
    double of(Embeddings pictures) {
        double all = 0;
        for (int i : measured) {
            double own = Embeddings.dot(pictures.row(i), texts.vector(i));
            double chance = distinct < 2 ? 0 : (Embeddings.dot(pictures.row(i), sum) - own) / (distinct - 1);
            all += own - chance;
        }
        return all / measured.length;
    }

    /**
     * 0 where {@code pictures} follow their texts by chance, 1 where they do as closely as {@code base}, or as {@code most},
     * where that is less; 1 where no picture counts.
     */
    double kept(Embeddings pictures, Embeddings base, double most) {
        return measures() ? Share.of(Math.max(0, of(pictures)), 0, Math.max(0, Math.min(of(base), most))) : 1;
    }
}
