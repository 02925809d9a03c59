package training.lora.trainer.adapter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assertions.withinPercentage;
import static training.lora.trainer.Goldens.assertClose;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.AdapterType;
import training.lora.api.TimestepRankSpec;
import training.lora.trainer.model.layer.Delta;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.model.unet.TinyUNets;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.tensor.Copy;
import training.lora.trainer.tensor.Randomness;

/** What passes of training leave out, against the same pass with factors from which it was taken out by hand. */
class DropoutsTest {
    private static final NDManager MANAGER = NDManager.newBaseManager("PyTorch");
    private static final UNet NETWORK = UNet.random(TinyUNets.TINY, 3, MANAGER);
    private static final List<String> GROUPS = List.of("Attention", "FeedForward", "Convolution");
    private static final int RANK = 4;
    private static final int[] TIMES = {40, 700};
    private static final Projection FIRST = NETWORK.projections().get(0);

    @AfterAll
    static void close() {
        NETWORK.close();
        MANAGER.close();
    }

    private static LoraAdapter adapter(AdapterType type, Dropouts dropouts, @Nullable Double maximumNorm) {
        LoraSettings settings = new LoraSettings(type, RANK, 8, false, -1, dropouts, maximumNorm, GROUPS, List.of());
        LoraAdapter adapter = LoraAdapter.create(NETWORK.projections(), settings, 5, NETWORK::weight, MANAGER)
                .trainable();
        NDArray parameters = adapter.parameters();
        parameters.addi(Randomness.normal(MANAGER, 7, parameters.getShape()).mul(0.1));
        return adapter;
    }

    private static NDArray sample(NDArray both, int i) {
        return both.get(i + ":" + (i + 1));
    }

    /** The output for sample {@code i}, or for all with -1; the gradients of a loss that is linear in it are added up. */
    private static NDArray train(int i, ProjectionDeltas deltas) {
        NDArray x = Randomness.normal(MANAGER, 1, new Shape(2, 4, 8, 8));
        NDArray t = MANAGER.create(new float[] {TIMES[0], TIMES[1]});
        NDArray context = Randomness.normal(MANAGER, 2, new Shape(2, 5, 24));
        NDArray gradient = Randomness.normal(MANAGER, 3, new Shape(2, 4, 8, 8));
        UNet.Recording recording = i < 0
                ? NETWORK.record(x, t, Conditioning.of(context), deltas)
                : NETWORK.record(sample(x, i), sample(t, i), Conditioning.of(sample(context, i)), deltas);
        NDArray output = recording.output().duplicate();
        recording.backward(i < 0 ? gradient : sample(gradient, i).duplicate());
        return output;
    }

    /** Deltas whose A has rows as {@code mask} has numbers, at {@code from} of it. */
    private static ProjectionDeltas cut(LoraAdapter adapter, Map<String, float[]> masks, int sample) {
        Map<String, Delta> cut = new java.util.HashMap<>();
        adapter.bind(MANAGER).byPath().forEach((path, delta) -> {
            Delta.LowRank own = (Delta.LowRank) delta;
            float[] mask = java.util.Objects.requireNonNull(masks.get(path));
            NDArray rows = MANAGER.create(java.util.Arrays.copyOfRange(mask, sample * RANK, (sample + 1) * RANK))
                    .reshape(RANK, 1);
            // B A with each rank's number: A carries it forwards, and B's gradient sees it in A x.
            cut.put(path, new Delta.LowRank(own.down().mul(rows), own.up(), own.scale(), 0, own.gradients()));
        });
        return new ProjectionDeltas(cut);
    }

    @ParameterizedTest
    @CsvSource({"0.3, false", "0, true", "0.3, true"})
    void eachSampleTrainsTheRanksOfItsMask(double ranks, boolean byTimestep) {
        Dropouts dropouts = new Dropouts(0, ranks, 0, byTimestep ? new TimestepRankSpec(1, 1.0) : null);
        try (LoraAdapter masked = adapter(AdapterType.LoRA, dropouts, null);
                LoraAdapter plain = adapter(AdapterType.LoRA, Dropouts.NONE, null)) {
            Dropouts.Times times = new Dropouts.Times(TIMES, 1000);
            Map<String, float[]> masks = new java.util.HashMap<>();
            NETWORK.projections().forEach(p -> masks.put(p.path(), dropouts.mask(p, RANK, times, 5, 11)));

            NDArray output = train(-1, masked.bind(MANAGER, 11, times));
            NDArray first = train(0, cut(plain, masks, 0));
            NDArray gradient = plain.gradient().duplicate();
            plain.gradient().subi(gradient);
            NDArray second = train(1, cut(plain, masks, 1));

            assertClose(output, first.concat(second, 0), 1e-5, "output");
            NDArray other = plain.gradient();
            for (AdaptedProjection p : masked.projections()) {
                for (AdapterPart part : p.kind().parts()) {
                    String range = p.offset(part) + ":" + (p.offset(part) + p.size(part));
                    NDArray one = gradient.get(range).reshape(p.kind().shape(part, p.projection()));
                    NDArray two = other.get(range).reshape(p.kind().shape(part, p.projection()));
                    float[] mask = java.util.Objects.requireNonNull(
                            masks.get(p.projection().path()));
                    if (part == AdapterPart.Down) {
                        // Of A itself, of which the cut one is a multiple.
                        one = one.mul(rows(mask, 0));
                        two = two.mul(rows(mask, 1));
                    }
                    assertClose(
                            masked.gradient().get(range),
                            one.add(two).flatten(),
                            1e-4,
                            p.projection().path() + " " + part);
                }
            }
        }
    }

    private static NDArray rows(float[] mask, int sample) {
        return MANAGER.create(java.util.Arrays.copyOfRange(mask, sample * RANK, (sample + 1) * RANK))
                .reshape(RANK, 1);
    }

    @Test
    void ranksOfATimestepAreTlorasAndThoseDrawnAreScaledUp() {
        Dropouts byTimestep = new Dropouts(0, 0, 0, new TimestepRankSpec(1, 1.0));
        int[] times = {0, 500, 900, 999};
        float[] mask = byTimestep.mask(FIRST, 16, new Dropouts.Times(times, 1000), 0, 0);
        int[] active = {16, 8, 2, 1};
        for (int i = 0; i < times.length; i++) {
            for (int j = 0; j < 16; j++) {
                assertThat(mask[16 * i + j]).isEqualTo(j < active[i] ? 1 : 0);
            }
        }

        Dropouts drawn = new Dropouts(0, 0.25, 0, null);
        float[] many = drawn.mask(FIRST, 1000, new Dropouts.Times(new int[4], 1000), 1, 2);
        int kept = 0;
        for (float m : many) {
            assertThat(m).isIn(0f, (float) (1 / 0.75));
            kept += m > 0 ? 1 : 0;
        }
        assertThat(kept / 4000.0).isCloseTo(0.75, within(0.03));
        assertThat(drawn.mask(FIRST, 1000, new Dropouts.Times(new int[4], 1000), 1, 2))
                .isEqualTo(many);
        assertThat(drawn.mask(FIRST, 1000, new Dropouts.Times(new int[4], 1000), 1, 3))
                .isNotEqualTo(many);
    }

    @ParameterizedTest
    @CsvSource({"LoRA", "DoRA", "LoHa", "LoKr"})
    void modulesThatAreLeftOutTrainNothingAndChangeNothing(AdapterType type) {
        try (LoraAdapter adapter = adapter(type, new Dropouts(0, 0, 0.5, null), null)) {
            ProjectionDeltas deltas = adapter.bind(MANAGER, 3, new Dropouts.Times(TIMES, 1000));
            NDArray output = train(-1, deltas);

            Map<String, Delta> kept =
                    new java.util.HashMap<>(adapter.bind(MANAGER).byPath());
            kept.keySet().retainAll(deltas.byPath().keySet());
            assertThat(kept.size() / (double) NETWORK.projections().size()).isCloseTo(0.5, within(0.25));
            assertClose(output, train(-1, new ProjectionDeltas(kept)), 0, "the kept modules' output");
            for (AdaptedProjection p : adapter.projections()) {
                NDArray gradient = adapter.gradient().get(p.offset() + ":" + (p.offset() + p.size()));
                boolean left = deltas.byPath().containsKey(p.projection().path());
                assertThat(gradient.abs().max().getFloat() > 0)
                        .as(p.projection().path())
                        .isEqualTo(left);
            }
        }
    }

    @Test
    void aPassThatLeavesOutEveryModuleIsTheBaseModels() {
        try (LoraAdapter adapter = adapter(AdapterType.LoRA, new Dropouts(0, 0, 0.9999999, null), null)) {
            NDArray output = train(-1, adapter.bind(MANAGER, 3, new Dropouts.Times(TIMES, 1000)));

            assertClose(output, train(-1, new ProjectionDeltas(Map.of())), 0, "output");
            assertThat(adapter.gradient().abs().max().getFloat()).isZero();
        }
    }

    /** kohya's apply_max_norm_regularization. */
    @Test
    void factorsOfAGreaterNormAreScaledDownAndOthersStay() {
        List<Double> before = new ArrayList<>();
        try (LoraAdapter adapter = adapter(AdapterType.LoRA, Dropouts.NONE, 1.5)) {
            AdaptedProjection small = adapter.projections().get(1);
            NDArray part = adapter.parameters().get(small.offset() + ":" + (small.offset() + small.size()));
            Copy.into(part, part.mul(0.1));
            NDArray parameters = adapter.parameters().duplicate();
            adapter.projections().forEach(p -> before.add(norm(adapter, p)));
            assertThat(before).anyMatch(n -> n > 1.5).anyMatch(n -> n < 1.5);

            adapter.limitNorms();

            for (int i = 0; i < before.size(); i++) {
                AdaptedProjection p = adapter.projections().get(i);
                assertThat(norm(adapter, p)).isCloseTo(Math.min(1.5, before.get(i)), withinPercentage(0.01));
                double root = Math.sqrt(Math.min(1, 1.5 / before.get(i)));
                String range = p.offset() + ":" + (p.offset() + p.size());
                assertClose(
                        adapter.parameters().get(range), parameters.get(range).mul(root), 1e-5, range);
            }
        }
    }

    private static double norm(LoraAdapter adapter, AdaptedProjection p) {
        NDArray down = part(adapter, p, AdapterPart.Down);
        NDArray up = part(adapter, p, AdapterPart.Up);
        return up.matMul(down).square().sum().sqrt().getDouble() * p.kind().scale();
    }

    private static NDArray part(LoraAdapter adapter, AdaptedProjection p, AdapterPart part) {
        return adapter.parameters()
                .get(p.offset(part) + ":" + (p.offset(part) + p.size(part)))
                .reshape(p.kind().shape(part, p.projection()))
                .toType(DataType.FLOAT64, true);
    }
}
