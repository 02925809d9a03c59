package training.lora.trainer.train.objective;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static training.lora.trainer.Goldens.assertClose;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import training.lora.trainer.Goldens;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.layer.AttentionScores;
import training.lora.trainer.model.layer.Keep;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.SafeTensors;

class TokenAttentionTest {
    /** src/test/goldens/loss_goldens.py made them, by diffusers with attention processors of its own, and autograd. */
    private static final Path GOLDENS = Path.of("src/test/resources/loss-goldens/losses.safetensors");

    private static final Shape LATENTS = new Shape(3, 4, 8, 16);

    @ParameterizedTest
    @EnumSource
    void lossAndGradientThroughTheDenoiserAreDiffusers(Keep keep) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafeTensors golden = SafeTensors.open(GOLDENS);
                StableDiffusion model = StableDiffusion.open(Goldens.BUNDLED.resolve("emoji-sd"), manager)) {
            AttentionScores scores = new AttentionScores();
            UNet.Recording recording = record(model.unet(), keep, scores, manager);
            NDArray masks = Randomness.uniform(manager, 4, new Shape(3, 1, 8, 16), 0, 1);

            NDArray loss = new TokenAttention(0.5)
                    .addTo(
                            scores,
                            LATENTS,
                            masks,
                            List.of(
                                    new TokenAttention.Places(7, List.of(2, 3, 4)),
                                    new TokenAttention.Places(5, List.of()),
                                    new TokenAttention.Places(9, List.of(5, 6, 7))),
                            0.5,
                            manager);
            recording.backward(manager.zeros(LATENTS));

            double expected = golden.read("attention", manager).getFloat();
            assertThat(loss.getFloat() * 4).isCloseTo((float) expected, within((float) (1e-4 * expected)));
            assertClose(recording.toText().context().mul(4), golden.read("attentionContext", manager), 1e-4, "context");
        }
    }

    @Test
    void whereNoPromptHasNewTokensThereIsNoLoss() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                StableDiffusion model = StableDiffusion.open(Goldens.BUNDLED.resolve("emoji-sd"), manager)) {
            AttentionScores scores = new AttentionScores();
            UNet.Recording recording = record(model.unet(), Keep.LayerStates, scores, manager);
            TokenAttention.Places none = new TokenAttention.Places(5, List.of());

            NDArray loss = new TokenAttention(1).addTo(scores, LATENTS, null, List.of(none, none, none), 1, manager);
            recording.backward(manager.zeros(LATENTS));

            assertThat(loss.getFloat()).isZero();
            assertThat(recording.toText().context().abs().max().getFloat()).isZero();
        }
    }

    private static UNet.Recording record(UNet unet, Keep keep, AttentionScores scores, NDManager manager) {
        return unet.recordToText(
                Randomness.normal(manager, 1, LATENTS),
                manager.create(new float[] {3, 731, 400}),
                Conditioning.of(Randomness.normal(
                        manager, 2, new Shape(3, 12, unet.config().contextWidth()))),
                ProjectionDeltas.NONE,
                keep,
                scores);
    }
}
