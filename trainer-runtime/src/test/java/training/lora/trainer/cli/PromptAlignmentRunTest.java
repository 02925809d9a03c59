package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.export.AdapterFiles;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.trained.TrainSummary;

/** A text that a concept is to be drawn after, from the configuration to the file. */
@Timeout(900)
class PromptAlignmentRunTest {
    private static final String TRAINING =
            "steps: 60, batchSize: 2, precision: Float32, seed: 3, checkpoints: {everySteps: 10}, adapter: {rank: 4}, optimizer: {learningRate: 5e-4}, loss: {%s}, tokens: {%s}";

    private static final String PROMPT = "an emoji of a %s on a blue background";

    @TempDir
    Path folder;

    /**
     * How the prediction for the text with the trigger is like the base model's for the text with the class.
     *
     * @param distance of both, a mean of squares
     * @param likeness the cosine of what the ground's colour changes in both
     */
    private record Alignment(double distance, double likeness) {}

    /** By how much the loss over pictures that are learned from fell. */
    private static double learned(TinyRun run) throws Exception {
        TrainSummary.FixedSetLoss loss = Objects.requireNonNull(
                TrainSummary.read(run.workspace().resolve("train")).fixedSetLoss());
        return loss.before() - loss.after();
    }

    /** And the pictures are learned: a training that learns nothing stays as near to the class, too. */
    @Test
    void theConceptIsDrawnAfterTheTextAsItsClassIs() throws Exception {
        TinyRun aligned = run("aligned", "promptAlignment: {prompt: '%s'}".formatted(PROMPT.formatted("qzx")), "");
        TinyRun free = run("free", "", "");

        Ran one = aligned.run("run");
        assertThat(one.code()).as(one.error()).isZero();
        byte[] whole = aligned.lora();
        aligned.interruptBefore(60);
        assertThat(aligned.run("run", "--attempt", "2").code()).isZero();
        Ran other = free.run("run");
        assertThat(other.code()).as(other.error()).isZero();

        assertThat(aligned.lora()).isEqualTo(whole);
        assertThat(learned(aligned)).as("%s without", learned(free)).isGreaterThan(0.5 * learned(free));
        Alignment with = alignment(aligned);
        Alignment without = alignment(free);
        assertThat(with.distance()).as("%s, %s", with, without).isLessThan(0.85 * without.distance());
        assertThat(with.likeness()).as("%s, %s", with, without).isGreaterThan(without.likeness());
    }

    @Test
    void tokensAreAlignedWithTheirAdapter() throws Exception {
        TinyRun run = run(
                "tokens",
                "promptAlignment: {prompt: '%s'}".formatted(PROMPT.formatted("qzx")),
                "count: 1, learningRate: 1e-2");

        Ran ended = run.run(
                "run",
                "--set",
                "training.steps=4",
                "--set",
                "training.checkpoints.everySteps=4",
                "--set",
                "training.watchdog.enabled=false");

        assertThat(ended.code()).as(ended.error()).isZero();
    }

    private TinyRun run(String name, String loss, String tokens) throws Exception {
        return BundledRun.ofCats(folder.resolve(name), TRAINING.formatted(loss, tokens), "cat");
    }

    private static Alignment alignment(TinyRun run) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                StableDiffusion model = StableDiffusion.open(BundledRun.MODEL, manager);
                LoraAdapter adapter =
                        AdapterFiles.read(run.workspace().resolve("output/tiny.safetensors"), model, manager)) {
            double distance = 0;
            double likeness = 0;
            float[] times = {300, 500, 700, 900};
            for (float time : times) {
                NDArray scene = predicted(PROMPT.formatted("qzx"), adapter.bind(manager), time, model, manager);
                NDArray known = predicted(PROMPT.formatted("cat"), ProjectionDeltas.NONE, time, model, manager);
                distance += scene.sub(known).square().mean().getFloat();
                NDArray own = change("qzx", adapter.bind(manager), time, model, manager);
                NDArray other = change("cat", ProjectionDeltas.NONE, time, model, manager);
                likeness += own.mul(other).sum().getFloat()
                        / Math.sqrt(own.square().sum().getFloat()
                                * other.square().sum().getFloat());
            }
            return new Alignment(distance / times.length, likeness / times.length);
        }
    }

    /** What the ground's colour changes in the prediction. */
    private static NDArray change(
            String word, ProjectionDeltas deltas, float time, StableDiffusion model, NDManager manager) {
        return predicted(PROMPT.formatted(word), deltas, time, model, manager)
                .sub(predicted("an emoji of a " + word, deltas, time, model, manager));
    }

    private static NDArray predicted(
            String text, ProjectionDeltas deltas, float time, StableDiffusion model, NDManager manager) {
        Conditioning told = Conditioning.of(
                model.prompts().encode(manager, List.of(text), deltas).context());
        NDArray noisy = Randomness.normal(manager, 9, new Shape(4, 4, 16, 16)).get("0:1");
        return model.unet().forward(noisy, manager.create(new float[] {time}), told, deltas);
    }
}
