package training.lora.trainer.model.unet;

import static org.assertj.core.api.Assertions.assertThat;
import static training.lora.trainer.Goldens.assertClose;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import training.lora.trainer.adapter.AdaptedProjection;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.model.layer.Delta;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.TorchScript;

/** Laws of a low-rank adapter beside a denoiser. */
class AdaptedUNetTest {
    private static final TorchScript SQUARE = TorchScript.compile("y", "return torch.mean(torch.mul(y, y))");

    private static UNet.Recording record(UNet unet, ProjectionDeltas deltas, NDManager scope) {
        return unet.record(
                Randomness.normal(scope, 1, new Shape(2, 4, 8, 8)),
                scope.create(new float[] {3, 700}),
                Conditioning.of(Randomness.normal(scope, 2, new Shape(2, 5, 24))),
                deltas);
    }

    private static NDArray predict(UNet unet, ProjectionDeltas deltas, NDManager scope) {
        return unet.forward(
                Randomness.normal(scope, 1, new Shape(2, 4, 8, 8)),
                scope.create(new float[] {3, 700}),
                Conditioning.of(Randomness.normal(scope, 2, new Shape(2, 5, 24))),
                deltas);
    }

    @Test
    void eachFactorGetsTheGradientThatAutogradGivesIt() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                UNet unet = UNet.random(TinyUNets.TINY, 3, manager)) {
            Map<String, LoraAdapter.Factors> factors = new HashMap<>();
            for (int i = 2; i < unet.projections().size(); i += 3) {
                Projection p = unet.projections().get(i);
                factors.put(p.path(), factors(p, 3, 6, manager));
            }
            LoraAdapter adapter =
                    LoraAdapter.of(unet.projections(), factors, manager).trainable();
            NDManager weights = manager.newSubManager();
            Map<String, Delta> apart = new HashMap<>();
            for (AdaptedProjection p : adapter.projections()) {
                LoraAdapter.Factors f = java.util.Objects.requireNonNull(
                        factors.get(p.projection().path()));
                NDArray a = f.down().in(weights).duplicate();
                NDArray b = f.up().in(weights).duplicate();
                a.setRequiresGradient(true);
                b.setRequiresGradient(true);
                apart.put(p.projection().path(), new Delta.LowRank(a, b, 2));
            }

            try (GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
                TorchScript.backward(SQUARE.call(manager, predict(unet, new ProjectionDeltas(apart), manager)));
            }

            UNet.Recording recording = record(unet, adapter.bind(manager), manager);
            recording.backward(recording.output().mul(2.0 / recording.output().size()));
            NDArray gradient = adapter.gradient();
            for (AdaptedProjection p : adapter.projections()) {
                Delta.LowRank own = (Delta.LowRank) java.util.Objects.requireNonNull(
                        apart.get(p.projection().path()));
                long middle = p.offset() + own.down().size();
                long end = middle + own.up().size();
                assertClose(
                        gradient.get(p.offset() + ":" + middle),
                        own.down().getGradient().flatten(),
                        1e-5,
                        p.projection().path() + " A");
                assertClose(
                        gradient.get(middle + ":" + end),
                        own.up().getGradient().flatten(),
                        1e-5,
                        p.projection().path() + " B");
            }
            adapter.close();
        }
    }

    private static NDArray weight(UNet unet, String name) {
        return unet.parameters().all().stream()
                .filter(w -> w.name().equals(name))
                .findFirst()
                .orElseThrow()
                .array();
    }

    private static LoraAdapter.Factors factors(Projection p, int rank, double alpha, NDManager manager) {
        return new LoraAdapter.Factors(
                rank,
                alpha,
                LazyTensor.of(Randomness.normal(manager, p.path().hashCode(), new Shape(rank, p.fanIn()))),
                LazyTensor.of(Randomness.normal(manager, p.path().hashCode() + 1, new Shape(p.out(), rank))
                        .mul(0.1)));
    }

    @Test
    void adapterActsAsTheMergedWeightBesideAConvolutionAndFactorsSurviveTheArena() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                UNet unet = UNet.random(TinyUNets.TINY, 3, manager)) {
            Projection first = unet.projections().get(0);
            LoraAdapter.Factors f = factors(first, 2, 5, manager);
            try (LoraAdapter adapter = LoraAdapter.of(unet.projections(), Map.of(first.path(), f), manager)) {
                NDArray unmerged = predict(unet, adapter.bind(manager), manager);
                NDArray up = f.up().in(manager);
                NDArray down = f.down().in(manager);
                NDArray plain = predict(unet, ProjectionDeltas.NONE, manager);

                NDArray weight = weight(unet, first.path() + ".weight");
                weight.addi(up.matMul(down).mul(5.0 / 2).reshape(weight.getShape()));
                NDArray merged = predict(unet, ProjectionDeltas.NONE, manager);

                assertClose(unmerged, merged, 1e-4, "unmerged");
                assertThat(merged.sub(plain).abs().max().getFloat()).isGreaterThan(1e-3f);
                LoraAdapter.Factors back =
                        java.util.Objects.requireNonNull(adapter.factors().get(first.path()));
                assertThat(back.down().in(manager).toFloatArray()).containsExactly(down.toFloatArray());
                assertThat(back.up().in(manager).toFloatArray()).containsExactly(up.toFloatArray());
            }
        }
    }
}
