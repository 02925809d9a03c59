package training.lora.trainer.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.BaseWeights;
import training.lora.api.Json;
import training.lora.api.Precision;
import training.lora.api.PromptSpec;
import training.lora.api.TrainingSpec;
import training.lora.trainer.Goldens;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.LoraSettings;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.text.Clip;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.model.unet.UNetConfig;
import training.lora.trainer.model.unet.UNetConfigBuilder;
import training.lora.trainer.order.SampleOrder;
import training.lora.trainer.sample.ImageSampler;
import training.lora.trainer.tensor.CardScripts;
import training.lora.trainer.train.batch.Batches;
import training.lora.trainer.train.batch.Captions;
import training.lora.trainer.train.optimizer.Rates;

/**
 * The way of the data on libtorch's meta device, which stands for a card: a tensor that is left on the CPU, or a value
 * that is read on the way, is found without one. With {@code -Dcard.calls=FILE} the functions that were run are written
 * there, for devices/check_card.py.
 */
class CardStepTest {
    private static final UNetConfig TINY = UNetConfigBuilder.builder()
            .sampleSize(8)
            .channels(4)
            .contextWidth(24)
            .widths(List.of(32, 64))
            .attention(List.of(true, true))
            .layers(1)
            .heads(List.of(2, 16))
            .transformerLayers(List.of(1, 1))
            .groups(8)
            .normEps(1e-5)
            .linearProjection(false)
            .build();

    /** What libtorch says where a value is asked for. */
    private static final String NO_VALUES = "meta tensor";

    /** libtorch's number of float8_e4m3fn. */
    private static final long FP8 = 24;

    private final CardScripts scripts = CardScripts.begin();
    private final NDManager card = NDManager.newBaseManager(Device.gpu(0), "PyTorch");

    @AfterEach
    void end() throws IOException {
        card.close();
        scripts.close();
        String file = System.getProperty("card.calls");
        if (file != null) {
            Path path = Path.of(file);
            Json.PRETTY.writeValue(
                    path.resolveSibling(path.getFileName() + "." + System.nanoTime())
                            .toFile(),
                    scripts.seen());
        }
    }

    private LoraStep step(String training, Precision precision, BaseWeights form, double onHost) {
        UNet unet = UNet.random(TINY, precision, form, onHost, 3, card);
        LoraSettings settings =
                new LoraSettings(4, 4, false, 0.1, List.of("Attention", "FeedForward", "Convolution"), List.of());
        LoraAdapter adapter = LoraAdapter.create(unet.projections(), settings, 5, card);
        return new LoraStep(
                new Networks(unet, null), adapter, Schedules.STABLE_DIFFUSION, TrainingSpecs.of(training), card);
    }

    private Batches batches(String training) {
        TrainingSpec spec = TrainingSpecs.of(training);
        RandomData data = new RandomData(4, true);
        Captions captions = new Captions(
                data,
                Collections.nCopies(4, ""),
                spec.captions(),
                (texts, scope) -> {
                    throw new AssertionError(texts);
                },
                11);
        return new Batches(data, SampleOrder.uniform(4, 11), captions, spec, Schedules.STABLE_DIFFUSION);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "batchSize: 2, gradientAccumulation: 2",
                "optimizer: {type: AdamW8bit}, ema: {decay: 0.9}",
                "optimizer: {type: Adafactor}",
                "optimizer: {type: CAME}",
                "optimizer: {type: Lion}",
                "optimizer: {type: ScheduleFreeAdamW}",
                "optimizer: {type: ProdigyScheduleFree}",
                "optimizer: {type: Prodigy, growthRate: 1.02}",
                "batchSize: 2, optimizer: {type: Prodigy, learningRate: 1}, loss: {huberDelta: 0.1, offsetNoise: 0.1,"
                        + " pyramidNoise: 0.5, inputPerturbation: 0.1}"
            })
    void stepStaysOnTheCardAndReadsNothingBack(String training) {
        for (Precision precision : Precision.values()) {
            assertStaysOnTheCard(training, precision, BaseWeights.Full, 0);
        }
        assertThat(scripts.seen()).hasSizeGreaterThan(20);
    }

    @ParameterizedTest
    @EnumSource
    void stepBesideWeightsInFp8StaysOnTheCard(Precision precision) {
        assertStaysOnTheCard("batchSize: 2", precision, BaseWeights.Fp8, 0);

        assertThat(scripts.seen().values()).anyMatch(inputs -> inputs.stream().anyMatch(input -> input.type() == FP8));
    }

    /** Weights come from the host for each layer's turn, and all else is on the card; scripts see to it. */
    @ParameterizedTest
    @EnumSource
    void stepWithWeightsOnTheHostStaysOnTheCard(BaseWeights form) {
        assertStaysOnTheCard("gradientCheckpointing: true", Precision.BFloat16, form, 0.6);

        assertThat(scripts.seen().keySet())
                .anyMatch(text -> text.contains("_h: Tensor") && text.contains("_h, ops.prim.device("))
                .anyMatch(text -> text.contains("_efficient_attention_forward") && !text.contains("_h: Tensor"));
    }

    private void assertStaysOnTheCard(String training, Precision precision, BaseWeights form, double onHost) {
        try (LoraStep step = step(training, precision, form, onHost)) {
            Batches batches = batches(training);

            step.train(batches, 0, List.of(Rates.constant(0, 1e-2, 1)));
            step.train(batches, 1, List.of(Rates.constant(1, 1e-2, 1)));
            step.output();

            assertThatThrownBy(step.log()::drain)
                    .isInstanceOf(EngineException.class)
                    .hasMessageContaining(NO_VALUES);
        }
    }

    @Test
    void picturesAreDrawnOnTheCardUntilTheyAreReadBack() {
        Path folder = Goldens.BUNDLED.resolve("emoji-sd");
        try (StableDiffusion model = StableDiffusion.open(folder, card)) {
            ImageSampler sampler = new ImageSampler(model, 2, 5, model.resolution());

            assertThatThrownBy(() -> sampler.draw(List.of(new PromptSpec("a cat", "", 1L)), null, card))
                    .isInstanceOf(EngineException.class)
                    .hasMessageContaining("Meta tensors")
                    .satisfies(e -> assertThat(e.getStackTrace())
                            .as("the last step, from a batch to pictures")
                            .anyMatch(frame -> frame.getMethodName().equals("ofBatch")));
        }
        // Among them those of long prompts and of text encoders' gradients, which are run elsewhere.
        CardScripts.checkAll();
    }

    @Test
    void picturesAreEncodedOnTheCard() {
        Path folder = Goldens.BUNDLED.resolve("emoji-sd");
        try (StableDiffusion model = StableDiffusion.open(folder, card)) {
            NDArray picture = card.zeros(new Shape(1, 3, 64, 64));

            assertThat(model.vae().encode(picture).mean().getDevice()).isNotEqualTo(Device.cpu());
        }
    }

    @Test
    void clipMeasuresOnTheCard() {
        try (Clip clip = Clip.open(Goldens.BUNDLED.resolve("emoji-clip"), card)) {
            NDArray pictures = card.zeros(new Shape(2, 3, clip.imageSize(), clip.imageSize()));

            assertThat(clip.embedImages(pictures).getShape().get(0)).isEqualTo(2);
            assertThat(clip.embedTexts(card, List.of("a cat", "a dog"))
                            .getShape()
                            .get(0))
                    .isEqualTo(2);
        }
    }
}
