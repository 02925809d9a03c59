package training.lora.trainer.adapter;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.AdapterType;
import training.lora.api.Precision;
import training.lora.api.TimestepRankSpec;
import training.lora.trainer.Goldens;
import training.lora.trainer.model.PromptEncoder;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.layer.FrozenWeights;
import training.lora.trainer.model.layer.Keep;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.model.unet.TinyUNets;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.tensor.HostCopy;
import training.lora.trainer.tensor.Randomness;

/** Passes that keep only the inputs of blocks come to the bits of those that keep what each layer needs. */
class GradientCheckpointingTest {
    private static final List<String> GROUPS = List.of("Attention", "FeedForward", "Convolution");
    private static final int[] TIMES = {40, 700};

    /**
     * What a pass came to.
     *
     * @param kept bytes that its recording had in its scope between the two ways
     */
    private record Result(float[] output, float[] gradient, long kept) {}

    private static LoraAdapter adapter(
            List<Projection> projections,
            AdapterType type,
            Dropouts dropouts,
            FrozenWeights weights,
            NDManager manager) {
        LoraSettings settings = new LoraSettings(type, 4, 8, false, -1, dropouts, null, GROUPS, List.of());
        LoraAdapter adapter =
                LoraAdapter.create(projections, settings, 5, weights, manager).trainable();
        NDArray parameters = adapter.parameters();
        parameters.addi(Randomness.normal(manager, 7, parameters.getShape()).mul(0.1));
        return adapter;
    }

    private static Result denoise(
            Precision precision, AdapterType type, Dropouts dropouts, List<String> targets, Keep keep) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                NDManager scope = manager.newSubManager();
                UNet unet = UNet.random(TinyUNets.TINY, precision, 3, manager);
                LoraAdapter adapter = adapter(
                        unet.projections().stream()
                                .filter(p -> targets.stream().anyMatch(p.path()::startsWith))
                                .toList(),
                        type,
                        dropouts,
                        unet::weight,
                        manager)) {
            NDArray gradient = Randomness.normal(manager, 3, new Shape(2, 4, 16, 8));
            ProjectionDeltas deltas = adapter.bind(scope, 11, new Dropouts.Times(TIMES, 1000));
            long before = bytes(scope);
            UNet.Recording recording = unet.record(
                    Randomness.normal(scope, 1, new Shape(2, 4, 16, 8)),
                    scope.create(new float[] {TIMES[0], TIMES[1]}),
                    Conditioning.of(Randomness.normal(scope, 2, new Shape(2, 5, 24))),
                    deltas,
                    keep);
            float[] output = HostCopy.floats(recording.output());
            long kept = bytes(scope) - before;
            recording.backward(gradient);
            return new Result(output, HostCopy.floats(adapter.gradient()), kept);
        }
    }

    private static long bytes(NDManager scope) {
        return scope.getManagedArrays().stream()
                .mapToLong(a -> a.size() * a.getDataType().getNumOfBytes())
                .sum();
    }

    private static void assertSameBits(Result plain, Result again) {
        assertThat(again.output()).containsExactly(plain.output());
        assertThat(again.gradient()).containsExactly(plain.gradient());
        assertThat(plain.gradient()).isNotEqualTo(new float[plain.gradient().length]);
    }

    @ParameterizedTest
    @CsvSource({
        "Float32, LoRA, 0, 0, 0, false",
        "Float32, LoRA, 0.4, 0, 0, false",
        "Float32, LoRA, 0, 0.3, 0, true",
        "Float32, LoRA, 0.2, 0.3, 0.4, true",
        "Float32, DoRA, 0, 0, 0.4, false",
        "Float32, LoHa, 0, 0, 0, false",
        "Float32, LoKr, 0, 0, 0, false",
        "BFloat16, LoRA, 0.2, 0.3, 0.4, false",
        "BFloat16, DoRA, 0, 0, 0, false",
    })
    void denoisersOutputAndGradientsHaveTheSameBits(
            Precision precision, AdapterType type, double dropout, double ranks, double modules, boolean byTimestep) {
        Dropouts dropouts = new Dropouts(dropout, ranks, modules, byTimestep ? new TimestepRankSpec(1, 1.0) : null);
        List<String> all = List.of("");

        Result plain = denoise(precision, type, dropouts, all, Keep.LayerStates);
        Result again = denoise(precision, type, dropouts, all, Keep.BlockInputs);

        assertSameBits(plain, again);
        assertThat(again.kept()).isLessThan(plain.kept() / 2);
    }

    /** The first step that is trained lies in the middle of a block, and all that comes before keeps nothing. */
    @Test
    void aBlockThatIsTrainedInPartHasTheSameBits() {
        List<String> targets = List.of("mid_block.attentions.0.transformer_blocks.0.attn2", "up_blocks.1");

        Result plain = denoise(Precision.Float32, AdapterType.LoRA, Dropouts.NONE, targets, Keep.LayerStates);
        Result again = denoise(Precision.Float32, AdapterType.LoRA, Dropouts.NONE, targets, Keep.BlockInputs);

        assertSameBits(plain, again);
    }

    private static Result fromText(boolean xl, Keep keep) {
        Path place = xl ? Goldens.FOLDER.resolve("sdxl") : Goldens.BUNDLED.resolve("emoji-sd");
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                NDManager scope = manager.newSubManager();
                StableDiffusion model = StableDiffusion.open(place, manager)) {
            List<Projection> all = new ArrayList<>(model.unet().projections());
            all.addAll(model.textProjections());
            try (LoraAdapter adapter =
                    adapter(all, AdapterType.LoRA, new Dropouts(0.3, 0, 0, null), model::weight, manager)) {
                ProjectionDeltas deltas = adapter.bind(scope, 11, new Dropouts.Times(TIMES, 1000));
                long before = bytes(scope);
                PromptEncoder.Recording text = model.prompts()
                        .record(scope, List.of("two dogs in fog and a cat on it", "a cat"), deltas, keep);
                UNet.Recording recording = model.unet()
                        .recordToText(
                                Randomness.normal(scope, 1, new Shape(2, 4, 8, 16)),
                                scope.create(new float[] {TIMES[0], TIMES[1]}),
                                Goldens.told(text.embedding(), scope),
                                deltas,
                                keep);
                float[] output = HostCopy.floats(recording.output());
                long kept = bytes(scope) - before;
                recording.backward(Randomness.normal(scope, 3, new Shape(2, 4, 8, 16)));
                text.backward(recording.toText());
                return new Result(output, HostCopy.floats(adapter.gradient()), kept);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"false", "true"})
    void textEncodersThatAreTrainedHaveTheSameBits(boolean xl) {
        Result plain = fromText(xl, Keep.LayerStates);
        Result again = fromText(xl, Keep.BlockInputs);

        assertSameBits(plain, again);
        assertThat(again.kept()).isLessThan(plain.kept());
    }
}
