package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.Reason;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.LoraAdapter.Factors;
import training.lora.trainer.export.AdapterFiles;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.model.layer.ProjectionDeltas;

/** Keys that are locked, from the configuration to the file. */
@Timeout(900)
class KeyLockRunTest {
    private static final String TRAINING =
            "steps: 60, batchSize: 2, precision: Float32, seed: 3, checkpoints: {everySteps: 30}, tokens: {count: 1, learningRate: 2e-2, stopFraction: 1%s}, adapter: {rank: 4}, optimizer: {learningRate: 1e-2}";

    @TempDir
    Path folder;

    /**
     * How far keys are from those of the base model, over all cross-attentions, as a share of these.
     *
     * @param concept of the concept's token from those of its class
     * @param others of other words' tokens from their own
     */
    private record Moved(double concept, double others) {}

    @Test
    void theConceptIsLookedForWhereItsClassIsAndOtherWordsWhereTheyWere() throws Exception {
        TinyRun locked = BundledRun.ofCats(folder.resolve("locked"), TRAINING.formatted(", keyLock: true"), "cat");

        Ran one = locked.run("run");
        assertThat(one.code()).as(one.error()).isZero();
        byte[] whole = locked.lora();
        locked.interruptBefore(60);
        assertThat(locked.run("run", "--attempt", "2").code()).isZero();

        assertThat(locked.lora()).isEqualTo(whole);
        Moved with = moved(locked, true);
        Moved without = moved(locked, false);
        // By how much differs from seed to seed, and so from processor to processor: 10 to 25 % over three seeds.
        assertThat(with.concept()).as("%s, %s", with, without).isLessThan(without.concept());
        assertThat(with.others()).as("%s, %s", with, without).isLessThan(0.5 * without.concept());
    }

    @Test
    void theLockStandsBesideRankStabilizedModules() throws Exception {
        TinyRun run = BundledRun.ofCats(folder, TRAINING.formatted(", keyLock: true"), "cat");

        Ran ended = run.run(
                "run",
                "--set",
                "training.steps=2",
                "--set",
                "training.checkpoints.everySteps=2",
                "--set",
                "training.adapter.rankStabilized=true");

        assertThat(ended.code()).as(ended.error()).isZero();
        assertThat(Files.exists(run.workspace().resolve("output/diffusers/pytorch_lora_weights.safetensors")))
                .isTrue();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            value = {
                "targets: ['*.attn2.to_k']|`spec.training.adapter.targets` must have more than keys of cross-attentions",
                "overrides: [{target: '*.attn2.to_k', rank: 2}]|`spec.training.adapter.overrides[0].target` must be"
            })
    void whatIsLockedAloneIsNotAdapted(String adapter, String message) throws Exception {
        TinyRun run = BundledRun.ofCats(
                folder, TRAINING.formatted(", keyLock: true").replace("rank: 4", "rank: 4, " + adapter), "cat");

        Ran refused = run.run("run");

        assertThat(refused.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(refused.error()).contains(message);
    }

    /** @param withLock whether the lock counts, or the frozen weight alone */
    private static Moved moved(TinyRun run, boolean withLock) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                StableDiffusion model = StableDiffusion.open(BundledRun.MODEL, manager);
                LoraAdapter adapter =
                        AdapterFiles.read(run.workspace().resolve("output/tiny.safetensors"), model, manager)) {
            Map<String, Factors> factors = adapter.factors();
            NDArray concept = encoding("an emoji of a qzx on a blue background", model, adapter.bind(manager), manager);
            NDArray cat = encoding("an emoji of a cat on a blue background", model, ProjectionDeltas.NONE, manager);
            NDArray dog = encoding("an emoji of a dog", model, ProjectionDeltas.NONE, manager);
            double own = 0;
            double others = 0;
            int layers = 0;
            for (Projection key : model.unet().projections()) {
                if (key.makesKeysOfText()) {
                    NDArray weight = model.weight(key, manager);
                    Factors lock = Objects.requireNonNull(factors.get(key.path()));
                    NDArray changed = withLock ? weight.add(lock.change(weight, manager)) : weight;
                    own += distance(changed, concept, weight, cat);
                    others += distance(changed, dog, weight, dog);
                    layers++;
                }
            }
            assertThat(layers).isPositive();
            return new Moved(own / layers, others / layers);
        }
    }

    /** What text encoders make of the fifth word, (1, D). */
    private static NDArray encoding(String text, StableDiffusion model, ProjectionDeltas deltas, NDManager manager) {
        NDArray context = model.prompts().encode(manager, List.of(text), deltas).context();
        return context.get(new NDIndex("0, 5:6"));
    }

    private static double distance(NDArray changed, NDArray own, NDArray weight, NDArray other) {
        NDArray key = other.matMul(weight.transpose());
        NDArray difference = own.matMul(changed.transpose()).sub(key);
        return Math.sqrt(
                difference.square().sum().getFloat() / key.square().sum().getFloat());
    }
}
