package training.lora.trainer.evaluate;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * How closely pictures follow their texts: the slope of the regression of the pictures' vectors on those of their texts, both
 * less their means. It is how much of what differs between the texts differs in the same way between the pictures. Pictures
 * that are the same whatever the text have 0, and pictures of other texts, such as training pictures with their captions,
 * have a slope that can be compared with it, however near to each other either texts are.
 *
 * <p>Texts that are all alike have no slope. Then it is the mean of the cosines with the text, less those with the texts of
 * the other prompts, where there are some: CLIP's cosines of any picture with any text are far from 0 in most of its models.
 */
final class PromptFollowing {
    /** Mean squared distance from the mean at which texts are alike; of two texts, it is a cosine of 0.998. */
    private static final double ALIKE = 1e-3;

    private final Embeddings texts;
    private final int[] measured;
    private final boolean alike;
    private final double[] chance;

    /**
     * Of some of the pictures.
     *
     * @param prompts of all pictures
     * @param of numbers of the pictures that count; those whose text is empty, which asks for nothing, don't
     */
    PromptFollowing(PromptTexts prompts, int[] of) {
        this.measured =
                Arrays.stream(of).filter(i -> !prompts.text(i).isBlank()).toArray();
        this.texts = prompts.vectors().take(measured);
        this.alike = alike(texts);
        this.chance = others(prompts, measured);
    }

    /** The mean of the distinct texts that are not {@code measured}'s; no direction where there are none. */
    private static double[] others(PromptTexts prompts, int[] measured) {
        Map<String, double[]> others = new LinkedHashMap<>();
        for (int i : prompts.all()) {
            if (!prompts.text(i).isBlank()) {
                others.put(prompts.text(i), prompts.vector(i));
            }
        }
        Arrays.stream(measured).mapToObj(prompts::text).forEach(others::remove);
        return others.isEmpty()
                ? new double[prompts.vector(0).length]
                : mean(new Embeddings(others.values().toArray(double[][]::new)));
    }

    /** Whether the texts are all alike, which is measured in another way than where they differ. */
    boolean alike() {
        return alike;
    }

    /** Of the pictures that count; there must be some. */
    double of(Embeddings pictures) {
        return of(pictures.take(measured), texts);
    }

    /**
     * As closely as the training pictures follow their captions, in the same measure; no limit where that can't be
     * measured, since the captions are all alike and the prompts are not.
     */
    double most(Embeddings training, PromptTexts captions) {
        int[] said = Arrays.stream(captions.all())
                .filter(i -> !captions.text(i).isBlank())
                .toArray();
        Embeddings vectors = captions.vectors().take(said);
        boolean unmeasured = said.length == 0 || (!alike && alike(vectors));
        return unmeasured ? Double.POSITIVE_INFINITY : of(training.take(said), vectors);
    }

    /**
     * 0 where {@code pictures} don't follow their texts, 1 where they do as closely as {@code base}, or as {@code most},
     * where that is less; 1 where no picture counts.
     */
    double kept(Embeddings pictures, Embeddings base, double most) {
        return measured.length == 0 ? 1 : Share.of(Math.max(0, of(pictures)), 0, Math.max(0, Math.min(of(base), most)));
    }

    private double of(Embeddings pictures, Embeddings with) {
        double[] textOrigin = alike ? chance : mean(with);
        double[] pictureOrigin = alike ? new double[textOrigin.length] : mean(pictures);
        double both = 0;
        double text = 0;
        for (int i = 0; i < with.size(); i++) {
            double[] asked = minus(with.row(i), textOrigin);
            both += Embeddings.dot(minus(pictures.row(i), pictureOrigin), asked);
            text += Embeddings.dot(asked, asked);
        }
        return both / (alike ? with.size() : text);
    }

    private static boolean alike(Embeddings texts) {
        if (texts.size() == 0) {
            return true;
        }
        double[] mean = mean(texts);
        return IntStream.range(0, texts.size())
                        .mapToObj(i -> minus(texts.row(i), mean))
                        .mapToDouble(d -> Embeddings.dot(d, d))
                        .average()
                        .orElseThrow()
                < ALIKE;
    }

    private static double[] mean(Embeddings of) {
        return Arrays.stream(of.sum()).map(v -> v / of.size()).toArray();
    }

    private static double[] minus(double[] a, double[] b) {
        return IntStream.range(0, a.length).mapToDouble(k -> a[k] - b[k]).toArray();
    }
}
