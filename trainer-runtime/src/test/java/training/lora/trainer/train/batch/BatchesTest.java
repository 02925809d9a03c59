package training.lora.trainer.train.batch;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import training.lora.api.TrainingSpec;
import training.lora.trainer.dataset.Buckets;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.order.SampleOrder;
import training.lora.trainer.train.Schedules;
import training.lora.trainer.train.TrainingSpecs;

class BatchesTest {
    /** A sample's mean is its number; its deviation 0; its text 1, the empty one 0. */
    private static final TrainingData NUMBERED = new TrainingData() {
        @Override
        public int size() {
            return 7;
        }

        @Override
        public NDArray means(int[] samples, NDManager scope) {
            float[] values = new float[samples.length];
            for (int i = 0; i < samples.length; i++) {
                values[i] = samples[i];
            }
            return scope.create(values, new Shape(samples.length, 1, 1, 1));
        }

        @Override
        public NDArray deviations(int[] samples, NDManager scope) {
            return scope.zeros(new Shape(samples.length, 1, 1, 1));
        }

        @Override
        public NDArray timeIds(int[] samples, NDManager scope) {
            throw new AssertionError("nobody asks for sizes");
        }

        @Override
        public Conditioning embeddings(int[] samples, boolean[] empty, NDManager scope) {
            float[] values = new float[samples.length];
            for (int i = 0; i < samples.length; i++) {
                values[i] = empty[i] ? 0 : 1;
            }
            return Conditioning.of(scope.create(values, new Shape(samples.length, 1, 1)));
        }
    };

    private static Batches batches(long seed, int batchSize, double dropout) {
        return batches(seed, batchSize, "dropout: " + dropout, List.of("a", "a", "a", "a", "a", "a", "a"));
    }

    /** An embedded text is twice the number of its tags. */
    private static Batches batches(long seed, int batchSize, String settings, List<String> texts) {
        Captions captions = new Captions(
                NUMBERED,
                texts,
                TrainingSpecs.of("captions: {%s}".formatted(settings)).captions(),
                (varied, scope) -> {
                    float[] tags = new float[varied.size()];
                    for (int i = 0; i < tags.length; i++) {
                        tags[i] = 2 * varied.get(i).split(",").length;
                    }
                    return Conditioning.of(scope.create(tags, new Shape(tags.length, 1, 1)));
                },
                seed);
        TrainingSpec training = TrainingSpecs.of("seed: %d, batchSize: %d".formatted(seed, batchSize));
        return new Batches(NUMBERED, SampleOrder.uniform(7, seed), captions, training, Schedules.STABLE_DIFFUSION);
    }

    private static FixedPart part(int index, int items, int batchSize) {
        int[] all = {0, 1, 2, 3, 4, 5, 6};
        return FixedPart.of(all, items, batchSize, Buckets.single(all.length)).get(index);
    }

    @Test
    void everyEpochSeesEachSampleOnce() {
        Batches batches = batches(3, 2, 0);
        List<Integer> seen = new ArrayList<>();
        for (int step = 0; step < 7; step++) {
            for (int sample : batches.ofStep(step)) {
                seen.add(sample);
            }
        }

        assertThat(seen.subList(0, 7)).containsExactlyInAnyOrder(0, 1, 2, 3, 4, 5, 6);
        assertThat(seen.subList(7, 14)).containsExactlyInAnyOrder(0, 1, 2, 3, 4, 5, 6);
        assertThat(seen.subList(0, 7)).isNotEqualTo(seen.subList(7, 14));
    }

    @Test
    void stepDependsOnSeedAndNumberOnly() {
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            Batch later = batches(3, 4, 0.5).at(17, scope);
            Batches batches = batches(3, 4, 0.5);
            batches.at(16, scope);
            Batch again = batches.at(17, scope);
            Batch other = batches(4, 4, 0.5).at(17, scope);

            assertThat(again.timesteps()).isEqualTo(later.timesteps());
            assertThat(again.latents()).isEqualTo(later.latents());
            assertThat(again.noise()).isEqualTo(later.noise());
            assertThat(Embeddings.of(again)).isEqualTo(Embeddings.of(later));
            assertThat(other.noise()).isNotEqualTo(later.noise());
        }
    }

    @Test
    void captionsAreDroppedAtTheirShare() {
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            float kept = 0;
            Batches batches = batches(9, 7, 0.25);
            for (int step = 0; step < 300; step++) {
                kept += Embeddings.of(batches.at(step, scope)).sum().getFloat();
            }

            assertThat(kept / 2100).isBetween(0.70f, 0.80f);
        }
    }

    @Test
    void fixedSetSpreadsTimestepsEvenly() {
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            Batches batches = batches(9, 3, 0);

            assertThat(batches.fixed("fixed", part(0, 4, 3), scope).timesteps()).containsExactly(125, 375, 625);
            assertThat(batches.fixed("fixed", part(1, 4, 3), scope).timesteps()).containsExactly(875);
        }
    }

    @Test
    void onlyCaptionsThatCameOutOtherwiseAreEmbeddedAnew() {
        List<String> texts = List.of("x", "x", "x", "a, b", "x", "x", "x");
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            Batch batch = batches(9, 7, "dropout: 0, tagDropout: 1, keepTokens: 1", texts)
                    .at(0, scope);
            int[] samples = batches(9, 7, 0).ofStep(0);

            float[] embedded = Embeddings.of(batch).toFloatArray();

            for (int i = 0; i < samples.length; i++) {
                assertThat(embedded[i]).as("sample %d", samples[i]).isEqualTo(samples[i] == 3 ? 2 : 1);
            }
        }
    }

    @Test
    void fixedSetIsSaidAsItIsWritten() {
        List<String> texts = List.of("a, b", "a, b", "a, b", "a, b", "a, b", "a, b", "a, b");
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            Batches batches = batches(9, 4, "dropout: 1, tagDropout: 1, keepTokens: 1", texts);

            assertThat(Embeddings.of(batches.fixed("fixed", part(0, 4, 4), scope))
                            .toFloatArray())
                    .containsOnly(1);
        }
    }
}
