package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Json;
import training.lora.trainer.Goldens;
import training.lora.trainer.tensor.SafeTensors;
import training.lora.trainer.trained.TrainSummary;

/** Trainings on the bundled model that take less memory, against one that doesn't. */
@Timeout(value = 900, unit = TimeUnit.SECONDS)
class MemoryRunTest {
    private static final String BASE = "baseModel: {uri: '"
            + Goldens.BUNDLED.resolve("emoji-sd").toAbsolutePath().normalize()
            + "'}\n  preparation: {resolution: 64}";

    private static final String TRAINING =
            "steps: 40, batchSize: 2, precision: Float32, adapter: {rank: 4, dropout: 0.2, textEncoder: true}, optimizer: {learningRate: 3e-3}";

    @TempDir
    Path folder;

    private TinyRun ran(TinyRun run, String name, String... more) {
        TinyRun own = run.in(folder.resolve(name));
        Ran ended = own.run("run", more);
        assertThat(ended.code()).as(ended.error()).isZero();
        return own;
    }

    private static Map<String, float[]> adapter(TinyRun run) {
        Map<String, float[]> tensors = new TreeMap<>();
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafeTensors file = SafeTensors.open(run.workspace().resolve("output/tiny.safetensors"))) {
            for (String name : file.entries().keySet()) {
                try (NDArray tensor = file.read(name, manager)) {
                    tensors.put(name, tensor.toFloatArray());
                }
            }
        }
        return tensors;
    }

    private static TrainSummary.FixedSetLoss loss(TinyRun run) throws Exception {
        return Objects.requireNonNull(Json.MAPPER
                .readValue(run.workspace().resolve("train/summary.json").toFile(), TrainSummary.class)
                .fixedSetLoss());
    }

    @Test
    void checkpointedTrainingIsTheSameAndOneOnInt8IsNear() throws Exception {
        TinyRun run = TinyRun.create(folder, BASE, TRAINING, "{enabled: false}", "{enabled: false}");

        TinyRun plain = ran(run, "plain");
        TinyRun checkpointed = ran(run, "checkpointed", "--set", "training.gradientCheckpointing=true");
        TinyRun int8 = ran(run, "int8", "--set", "training.baseWeights=Int8");

        Map<String, float[]> expected = adapter(plain);
        Map<String, float[]> same = adapter(checkpointed);
        assertThat(same.keySet()).isEqualTo(expected.keySet());
        expected.forEach((name, values) -> assertThat(same.get(name)).as(name).containsExactly(values));
        assertThat(adapter(int8).keySet()).isEqualTo(expected.keySet());
        TrainSummary.FixedSetLoss full = loss(plain);
        TrainSummary.FixedSetLoss near = loss(int8);
        assertThat(full.after()).isLessThan(0.97 * full.before());
        assertThat(near.before()).isNotEqualTo(full.before()).isCloseTo(full.before(), withinPercentage(2));
        assertThat(near.after()).isCloseTo(full.after(), withinPercentage(3));
    }
}
