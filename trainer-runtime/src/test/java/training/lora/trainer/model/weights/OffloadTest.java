package training.lora.trainer.model.weights;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import training.lora.api.BaseWeights;
import training.lora.api.Precision;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.LoraSettings;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.model.unet.TinyUNets;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.tensor.CardScripts;
import training.lora.trainer.tensor.Randomness;

/** Weights of a network on a card that stay in the host's memory; libtorch's meta device stands for the card. */
class OffloadTest {
    @Test
    void weightsFromTheEndStayOnTheHostUntilTheShareIsReached() {
        ParameterSet set = new ParameterSet(Numbers.SINGLE, true, Device.cpu());
        set.withBias("first", 10, 10);
        set.norm("norm", 30);
        set.withBias("second", 10, 6);
        set.withBias("third", 2, 2, 3, 3);

        assertThat(set.fromTheEnd(0)).isEmpty();
        assertThat(set.fromTheEnd(0.1)).isEqualTo(Set.of("third.weight"));
        assertThat(set.fromTheEnd(0.2)).isEqualTo(Set.of("third.weight", "second.weight"));
        assertThat(set.fromTheEnd(1)).isEqualTo(Set.of("third.weight", "second.weight", "first.weight"));
    }

    @ParameterizedTest
    @EnumSource
    void theShareIsOnTheHostAndTheRestOnTheCard(BaseWeights form) {
        try (CardScripts scripts = CardScripts.begin();
                NDManager card = NDManager.newBaseManager(Device.gpu(0), "PyTorch");
                UNet unet = UNet.random(TinyUNets.TINY, Precision.BFloat16, form, 0.5, 1, card)) {
            List<Parameter> all = unet.parameters().all();
            List<Parameter> matrices =
                    all.stream().filter(p -> p.shape().length > 1).toList();
            double there = matrices.stream()
                    .filter(Parameter::onHost)
                    .mapToLong(Parameter::size)
                    .sum();

            assertThat(there / matrices.stream().mapToLong(Parameter::size).sum())
                    .isBetween(0.5, 0.6);
            for (Parameter weight : all) {
                assertThat(weight.arrays().get(0).getDevice().isGpu())
                        .as(weight.name())
                        .isNotEqualTo(weight.onHost());
                assertThat(weight.arrays().stream().skip(1))
                        .allMatch(scale -> scale.getDevice().isGpu());
            }
            assertThat(scripts.seen()).isNotEmpty();
            assertThat(unet.projections())
                    .allMatch(p -> unet.weight(p, card).getDevice().isGpu());
        }
    }

    private record Result(float[] output, float[] gradient) {}

    private static Result pass(BaseWeights form, double onHost) {
        try (NDManager manager = NDManager.newBaseManager(Device.cpu(), "PyTorch");
                UNet unet = UNet.random(TinyUNets.TINY, Precision.Float32, form, onHost, 1, manager);
                LoraAdapter adapter = LoraAdapter.create(
                                unet.projections(),
                                new LoraSettings(4, 4, false, 0, List.of("Attention", "Convolution"), List.of()),
                                2,
                                manager)
                        .trainable()) {
            NDArray factors = adapter.parameters();
            factors.addi(Randomness.normal(manager, 3, factors.getShape()).mul(0.05));
            UNet.Recording recording = unet.record(
                    Randomness.normal(manager, 4, new Shape(1, 4, 8, 8)),
                    manager.create(new float[] {100}),
                    Conditioning.of(Randomness.normal(manager, 5, new Shape(1, 5, 24))),
                    adapter.bind(manager));
            float[] output = recording.output().toFloatArray();
            recording.backward(Randomness.normal(manager, 7, recording.output().getShape()));
            return new Result(output, adapter.gradient().toFloatArray());
        }
    }

    @ParameterizedTest
    @EnumSource
    void resultIsTheSameToTheBit(BaseWeights form) {
        Result here = pass(form, 0);
        Result there = pass(form, 1);

        assertThat(there.output()).isEqualTo(here.output());
        assertThat(there.gradient()).isEqualTo(here.gradient());
    }
}
