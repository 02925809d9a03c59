package training.lora.trainer.evaluate;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import training.lora.api.PromptSpec;
import training.lora.trainer.dataset.Concepts;
import training.lora.trainer.dataset.Concepts.Concept;
import training.lora.trainer.dataset.PreparedDataset;

/**
 * What a concept is measured by: the pictures of the prompts that name it, those of the prompts that name none, and its
 * own training pictures.
 *
 * @param prompts numbers of the prompts that name it, from 0
 * @param others numbers of the prompts that name no concept
 * @param training its training pictures (M, D)
 * @param captions of the training pictures
 */
record ConceptShare(Concept concept, int[] prompts, int[] others, Embeddings training, PromptTexts captions) {
    /**
     * The shares of all concepts.
     *
     * @param prompts of all pictures
     */
    static List<ConceptShare> of(
            Concepts concepts, List<PromptSpec> prompts, PreparedDataset data, ClipEmbedder embedder) {
        List<ConceptShare> shares = new ArrayList<>();
        int[] others = IntStream.range(0, prompts.size())
                .filter(i -> concepts.measuredBy(prompts.get(i).text()).isEmpty())
                .toArray();
        for (Concept concept : concepts.all()) {
            int[] rows = IntStream.range(0, prompts.size())
                    .filter(i -> concepts.measuredBy(prompts.get(i).text()).contains(concept))
                    .toArray();
            List<String> captions = data.captions(concept.datasets()).stream()
                    .map(concepts::withClassNames)
                    .toList();
            shares.add(new ConceptShare(
                    concept,
                    rows,
                    others,
                    embedder.pictures(data.pictureFiles(concept.datasets())),
                    new PromptTexts(captions, embedder.texts(captions))));
        }
        return shares;
    }

    /**
     * Measures.
     *
     * @param pictures all generated pictures (N, D)
     * @param base the same prompts and seeds, drawn by the base model
     */
    ConceptMetrics measure(Embeddings pictures, Embeddings base, PromptTexts texts) {
        ConceptMeter meter = new ConceptMeter(this, texts, ScoreWeights.DEFAULT, TrainingValues.NONE);
        return meter.measure(PictureValues.of(pictures), PictureValues.of(base));
    }

    int trainingImages() {
        return training.size();
    }
}
