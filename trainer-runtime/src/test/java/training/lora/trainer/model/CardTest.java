package training.lora.trainer.model;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtDeviceType;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.BaseWeights;
import training.lora.api.Precision;
import training.lora.trainer.Goldens;
import training.lora.trainer.adapter.Dropouts;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.LoraSettings;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.model.unet.PictureSizes;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.model.unet.UNetConfig;
import training.lora.trainer.model.unet.UNetConfigBuilder;
import training.lora.trainer.model.weights.Numbers;
import training.lora.trainer.tensor.CardScripts;
import training.lora.trainer.tensor.Randomness;

/** What a denoiser would compute on a card, in the CPU's memory: its branches for cards, and attention by its formula. */
class CardTest {
    /** Heads of 16, which cards have a kernel for, and of 4, which are filled up for one; few pixels and many; told of sizes. */
    private static final UNetConfig CONFIG = UNetConfigBuilder.builder()
            .sampleSize(20)
            .channels(4)
            .contextWidth(24)
            .widths(List.of(32, 64))
            .attention(List.of(true, true))
            .layers(1)
            .heads(List.of(2, 16))
            .transformerLayers(List.of(1, 2))
            .groups(8)
            .normEps(1e-5)
            .linearProjection(true)
            .addition(new UNetConfig.Addition(8, 64))
            .build();

    private record Result(float[] output, float[] sampleGradient, float[] adapterGradient) {}

    /** Computed in {@code precision} even by a processor that emulates it. */
    private static Result pass(Device device, Precision precision, double dropout) {
        Numbers numbers = new Numbers(precision, precision, BaseWeights.Full);
        try (NDManager manager = NDManager.newBaseManager(device, "PyTorch");
                UNet unet = UNet.random(CONFIG, numbers, 0, 1, manager);
                LoraAdapter adapter = LoraAdapter.create(
                                unet.projections(),
                                new LoraSettings(
                                        4,
                                        4,
                                        false,
                                        dropout,
                                        List.of("Attention", "FeedForward", "Convolution"),
                                        List.of()),
                                2,
                                manager)
                        .trainable()) {
            NDArray factors = adapter.parameters();
            factors.addi(Randomness.normal(manager, 3, factors.getShape()).mul(0.05));
            UNet.Recording recording = unet.record(
                    Randomness.normal(manager, 4, new Shape(2, 4, 20, 20)),
                    manager.create(new float[] {100, 700}),
                    new Conditioning(
                            Randomness.normal(manager, 5, new Shape(2, 5, 24)),
                            Randomness.normal(manager, 6, new Shape(2, 16)),
                            PictureSizes.timeIds(List.of(PictureSizes.square(64), PictureSizes.square(128)), manager)),
                    adapter.bind(manager, 1, new Dropouts.Times(new int[] {1}, 1000)),
                    true);
            float[] output = recording.output().toFloatArray();
            NDArray sample = recording.backwardToSample(
                    Randomness.normal(manager, 7, recording.output().getShape()));
            return new Result(output, sample.toFloatArray(), adapter.gradient().toFloatArray());
        }
    }

    /** 2-norm of the difference in terms of the expected's. */
    private static double distance(float[] actual, float[] expected) {
        double difference = 0;
        double norm = 0;
        for (int i = 0; i < expected.length; i++) {
            difference += Math.pow(actual[i] - expected[i], 2);
            norm += Math.pow(expected[i], 2);
        }
        return Math.sqrt(difference / norm);
    }

    /** Of a token and those before it, as attention with a mask has it. */
    @Test
    void cardsTextEncoderGivesTheProcessorsEmbeddings() {
        float[] processor = embedding(Device.cpu());
        float[] card;
        try (CardScripts scripts = CardScripts.begin()) {
            card = embedding(PtDeviceType.PRETENDED);

            assertThat(scripts.seen().keySet())
                    .anyMatch(text -> text.contains("None, None, None, None, None, 0., 1, True"));
        }

        assertThat(distance(card, processor)).isLessThan(1e-5);
    }

    private static float[] embedding(Device device) {
        try (NDManager manager = NDManager.newBaseManager(device, "PyTorch");
                StableDiffusion model = StableDiffusion.open(Goldens.BUNDLED.resolve("emoji-sd"), manager)) {
            return model.prompts()
                    .encode(manager, List.of("an emoji of a cat", ""))
                    .context()
                    .toFloatArray();
        }
    }

    private static Result asOnCard(Precision precision, double dropout) {
        try (CardScripts scripts = CardScripts.begin()) {
            Result card = pass(PtDeviceType.PRETENDED, precision, dropout);

            assertThat(scripts.seen().keySet())
                    .anyMatch(text -> text.contains("_efficient_attention_forward"))
                    .anyMatch(text -> text.contains("_efficient_attention_backward"));
            return card;
        }
    }

    @ParameterizedTest
    @ValueSource(doubles = {0, 0.3})
    void cardsBranchesGiveTheProcessorsOutputAndGradients(double dropout) {
        Result processor = pass(Device.cpu(), Precision.Float32, dropout);
        Result card = asOnCard(Precision.Float32, dropout);

        assertThat(distance(card.output(), processor.output())).as("output").isLessThan(1e-5);
        assertThat(distance(card.sampleGradient(), processor.sampleGradient()))
                .as("the sample's gradient")
                .isLessThan(1e-5);
        assertThat(distance(card.adapterGradient(), processor.adapterGradient()))
                .as("the adapter's gradient")
                .isLessThan(1e-5);
    }

    /** How far two results in bf16 are apart depends on the processor; both are rounded from the same numbers in fp32. */
    @Test
    void cardsBranchesInBfloat16AreAsNearToFloat32AsTheProcessors() {
        Result exact = pass(Device.cpu(), Precision.Float32, 0);
        Result processor = pass(Device.cpu(), Precision.BFloat16, 0);
        Result card = asOnCard(Precision.BFloat16, 0);

        assertAsNear(card.output(), processor.output(), exact.output(), "output");
        assertAsNear(
                card.sampleGradient(), processor.sampleGradient(), exact.sampleGradient(), "the sample's gradient");
        assertAsNear(
                card.adapterGradient(), processor.adapterGradient(), exact.adapterGradient(), "the adapter's gradient");
    }

    private static void assertAsNear(float[] card, float[] processor, float[] exact, String name) {
        assertThat(distance(card, exact)).as(name).isLessThan(2 * distance(processor, exact));
    }
}
