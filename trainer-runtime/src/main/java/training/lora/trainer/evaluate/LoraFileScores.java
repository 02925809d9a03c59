package training.lora.trainer.evaluate;

import ai.djl.ndarray.NDManager;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.api.AestheticSpec;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.PromptSpec;
import training.lora.trainer.dataset.Concepts;
import training.lora.trainer.model.text.Clip;
import training.lora.trainer.onnx.OnnxFiles;
import training.lora.trainer.run.RunContext;

/**
 * What is measured of pictures that were drawn with one LoRA file, outside a run: the four numbers of Eden's script, by this
 * trainer's definitions.
 *
 * @param diversity mean of 1 - cos over all pairs of distinct pictures
 * @param textAlignment mean of cos(picture, its text), the trigger left out of the text
 * @param trainingImageAlignment mean of cos over all pairs of a picture and a training picture
 * @param aesthetic mean of what spec.evaluation.aesthetic says; null where there is none
 */
public record LoraFileScores(
        double diversity,
        double textAlignment,
        double trainingImageAlignment,
        @Nullable Double aesthetic) {

    /**
     * The prompts that are drawn, with seeds from 0: built-in ones that name the concepts in turn.
     *
     * @param count how many; one for each concept where there are more concepts
     */
    public static List<PromptSpec> prompts(LoraTrainingSpec spec, int count) {
        Concepts concepts = Concepts.of(spec.datasets());
        return BuiltInPrompts.inTurn(
                spec, concepts, Math.max(count, concepts.all().size()));
    }

    /**
     * Measures.
     *
     * @param pictures as they were drawn of {@code prompts}
     * @param training the training pictures, at least one
     */
    public static LoraFileScores of(
            RunContext context, List<PromptSpec> prompts, List<Path> pictures, List<Path> training, NDManager manager) {
        LoraTrainingSpec spec = context.run().spec();
        Concepts concepts = Concepts.of(spec.datasets());
        List<String> texts =
                prompts.stream().map(p -> concepts.withClassNames(p.text())).toList();
        try (Clip clip = Clip.open(context.clip(), manager)) {
            ClipEmbedder embedder = new ClipEmbedder(clip, manager);
            Embeddings drawn = embedder.pictures(pictures);
            ClipMetrics metrics = ClipMetrics.of(drawn, embedder.texts(texts), embedder.pictures(training));
            return new LoraFileScores(
                    metrics.diversity(),
                    metrics.textAlignment(),
                    metrics.trainingImageAlignment(),
                    aesthetic(context, spec.evaluation().aesthetic(), pictures, drawn, manager));
        }
    }

    private static @Nullable Double aesthetic(
            RunContext context,
            @Nullable AestheticSpec wanted,
            List<Path> pictures,
            Embeddings drawn,
            NDManager manager) {
        Path file = context.aesthetic();
        if (wanted == null || file == null) {
            return null;
        }
        double[] scores = OnnxFiles.isGraph(file.toString())
                ? new AestheticNetwork(file).of(pictures)
                : AestheticHead.read(file, wanted.activation(), drawn.row(0).length, manager)
                        .of(drawn);
        return Arrays.stream(scores).average().orElseThrow();
    }
}
