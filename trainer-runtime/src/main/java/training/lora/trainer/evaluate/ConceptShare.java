package training.lora.trainer.evaluate;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.stream.IntStream;
import training.lora.api.PromptSpec;
import training.lora.trainer.dataset.Concepts;
import training.lora.trainer.dataset.Concepts.Concept;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.tensor.Rows;

/**
 * What a concept is measured by: the pictures of the prompts that name it, and its own training pictures.
 *
 * @param prompts numbers of the prompts, from 0
 * @param training unit vectors of its training pictures (M, D)
 */
record ConceptShare(Concept concept, int[] prompts, NDArray training) {
    /**
     * The shares of all concepts.
     *
     * @param prompts of all pictures
     * @param embed unit vectors of picture files
     */
    static List<ConceptShare> of(
            Concepts concepts, List<PromptSpec> prompts, PreparedDataset data, Function<List<Path>, NDArray> embed) {
        List<ConceptShare> shares = new ArrayList<>();
        for (Concept concept : concepts.all()) {
            int[] rows = IntStream.range(0, prompts.size())
                    .filter(i -> concepts.measuredBy(prompts.get(i).text()).contains(concept))
                    .toArray();
            shares.add(new ConceptShare(concept, rows, embed.apply(data.pictureFiles(concept.datasets()))));
        }
        return shares;
    }

    /**
     * Measures.
     *
     * @param pictures unit vectors of all generated pictures (N, D)
     * @param texts unit vectors of all prompts (N, D)
     */
    ClipMetrics measure(NDArray pictures, NDArray texts) {
        try (NDManager scope = pictures.getManager().newSubManager()) {
            return ClipMetrics.of(Rows.take(pictures, prompts, scope), Rows.take(texts, prompts, scope), training);
        }
    }

    int trainingImages() {
        return (int) training.getShape().get(0);
    }
}
