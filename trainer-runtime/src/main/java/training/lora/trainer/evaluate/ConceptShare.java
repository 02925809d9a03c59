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
        Embeddings own = pictures.take(prompts);
        double learned = Likeness.of(training, base.take(prompts)).learned(own);
        PromptFollowing following = texts.following(prompts);
        // CLIP may hardly read what is taught, such as line drawings where it was trained on photographs: then no more
        // can be asked of pictures that are alike than that they follow their texts as training pictures do.
        double kept = Math.min(
                following.kept(pictures, base, following.most(training, captions)),
                texts.following(others).kept(pictures, base, Double.POSITIVE_INFINITY));
        return ConceptMetrics.of(
                new Score(learned, kept), ClipMetrics.of(own, texts.vectors().take(prompts), training));
    }

    int trainingImages() {
        return training.size();
    }
}
