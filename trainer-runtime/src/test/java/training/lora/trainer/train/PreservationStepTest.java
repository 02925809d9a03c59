package training.lora.trainer.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import training.lora.api.TrainingSpec;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.LoraSettings;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.model.unet.TinyUNets;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.order.SampleOrder;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.train.batch.Batch;
import training.lora.trainer.train.batch.Batches;
import training.lora.trainer.train.batch.Captions;
import training.lora.trainer.train.batch.KeptPrompts;
import training.lora.trainer.train.batch.Told;
import training.lora.trainer.train.batch.TrainingData;
import training.lora.trainer.train.objective.LossTerm;
import training.lora.trainer.train.objective.Preservation;
import training.lora.trainer.train.optimizer.Rates;

/** What keeps the base model's predictions where nothing new is taught. */
class PreservationStepTest {
    private static Batches batches(TrainingSpec training) {
        TrainingData data = new RandomData(10, false);
        Captions captions = new Captions(
                data,
                Collections.nCopies(10, "a"),
                TrainingSpecs.of("captions: {dropout: 0}").captions(),
                (texts, scope) -> {
                    throw new AssertionError(texts);
                },
                11);
        List<String> prompts = training.loss().preservation().prompts();
        // What is kept is what the empty text is embedded as.
        Captions.Embedder same =
                (texts, scope) -> data.embeddings(new int[texts.size()], new boolean[texts.size()], scope);
        KeptPrompts kept =
                prompts == null ? null : new KeptPrompts(prompts, Collections.nCopies(10, "a"), data, same, 11);
        return new Batches(
                data,
                SampleOrder.uniform(10, 11),
                captions,
                new Batches.Parts(kept, null, null),
                training,
                Schedules.STABLE_DIFFUSION);
    }

    /** How far the empty text's predictions are from the base model's after 30 steps, as a mean of squares. */
    private static double moved(String loss) {
        TrainingSpec training = TrainingSpecs.of("seed: 11, batchSize: 2, loss: {%s}".formatted(loss));
        TrainingSpec asked = TrainingSpecs.of("seed: 12, batchSize: 4, loss: {preservation: {emptyPrompt: 1}}");
        try (NDManager run = NDManager.newBaseManager("PyTorch");
                UNet unet = UNet.random(TinyUNets.TINY, 3, run);
                LoraAdapter adapter =
                        LoraAdapter.create(unet.projections(), new LoraSettings(4, 4, List.of("Attention")), 5, run);
                LoraStep step =
                        new LoraStep(new Networks(unet, null), adapter, Schedules.STABLE_DIFFUSION, training, run)) {
            Batches batches = batches(training);
            for (int i = 0; i < 30; i++) {
                step.train(batches, i, List.of(Rates.constant(i, 1e-2, 1)));
            }
            Batch batch = batches(asked).at(0, run);
            Told.Embedded empty = (Told.Embedded) Objects.requireNonNull(batch.empty());
            NDArray times = run.full(new Shape(4), 300f);
            NDArray with = unet.forward(batch.latents().duplicate(), times, empty.conditioning(), adapter.bind(run));
            NDArray without =
                    unet.forward(batch.latents().duplicate(), times, empty.conditioning(), ProjectionDeltas.NONE);
            return with.sub(without).square().mean().getFloat();
        }
    }

    @Test
    void predictionsOfTheEmptyTextStayNearerToTheBaseModelsWhereTheyAreKept() {
        double free = moved("offsetNoise: 0");
        double kept = moved("preservation: {emptyPrompt: 10}");

        assertThat(free).isPositive();
        assertThat(kept).isLessThan(free / 2);
    }

    @Test
    void predictionsOfPromptsStayNearerToTheBaseModelsWhereTheyAreKept() {
        double free = moved("offsetNoise: 0");
        double kept = moved("preservation: {prompts: [a cat], promptWeight: 10}");

        assertThat(kept).isPositive().isLessThan(free / 2);
    }

    @Test
    void gradientsAreThoseOfMeanSquaresTimesTheirWeights() {
        TrainingSpec training = TrainingSpecs.of("loss: {preservation: {emptyPrompt: 2, outsideMask: 0.5}}");
        Preservation preservation = new Preservation(training.loss().preservation());
        try (NDManager run = NDManager.newBaseManager("PyTorch")) {
            Shape shape = new Shape(2, 4, 3, 3);
            NDArray predicted = Randomness.normal(run, 1, shape);
            NDArray base = Randomness.normal(run, 2, shape);
            NDArray mask = Randomness.normal(run, 3, new Shape(2, 1, 3, 3)).clip(0, 1);
            NDArray gradient = run.ones(shape);

            LossTerm.Value value = preservation.ofEmptyPrompt(predicted, base, 3, run);
            float[] empty = value.gradient().toFloatArray();
            NDArray outside = Objects.requireNonNull(preservation.outsideMask(gradient, predicted, base, mask, 3, run));
            NDArray unmasked = run.ones(shape);
            NDArray nothing = preservation.outsideMask(unmasked, predicted, base, null, 3, run);

            float[] p = predicted.toFloatArray();
            float[] b = base.toFloatArray();
            float[] m = mask.toFloatArray();
            float[] g = gradient.toFloatArray();
            double ofEmpty = 0;
            double ofOutside = 0;
            for (int i = 0; i < p.length; i++) {
                // 36 elements a sample, 3 samples a step; 9 places a channel, 4 channels a sample.
                int place = i / 36 * 9 + i % 9;
                double slope = 2 * (p[i] - b[i]) / (36.0 * 3);
                double square = (p[i] - b[i]) * (p[i] - b[i]) / (36.0 * 3);
                ofEmpty += 2 * square;
                ofOutside += 0.5 * square * (1 - m[place]);
                assertThat(empty[i]).isCloseTo((float) (2 * slope), within(1e-6f));
                assertThat(g[i]).isCloseTo((float) (1 + 0.5 * slope * (1 - m[place])), within(1e-6f));
            }
            assertThat(unmasked.toFloatArray()).containsOnly(1);
            assertThat(value.loss().getFloat()).isCloseTo((float) ofEmpty, within(1e-5f));
            assertThat(outside.getFloat()).isCloseTo((float) ofOutside, within(1e-5f));
            assertThat(nothing).isNull();
        }
    }
}
