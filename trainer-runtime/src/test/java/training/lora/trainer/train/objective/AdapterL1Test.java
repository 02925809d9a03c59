package training.lora.trainer.train.objective;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import training.lora.trainer.Goldens;
import training.lora.trainer.TrainerException;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.LoraSettings;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.tensor.Randomness;

class AdapterL1Test {
    private static final Path BASE = Goldens.BUNDLED.resolve("emoji-sd");

    @Test
    void gradientIsTheSignsOfWhatIsInTheDenoiserOverTheirNumber() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                StableDiffusion model = StableDiffusion.open(BASE, manager);
                LoraAdapter adapter = LoraAdapter.create(
                        all(model),
                        new LoraSettings(2, 2, List.of("*.attn1.to_q", "text_encoder.*.q_proj")),
                        5,
                        manager)) {
            NDArray parameters = adapter.trainable().parameters();
            Randomness.normal(manager, 4, parameters.getShape()).copyTo(parameters);
            adapter.gradient().addi(1);
            int inDenoiser = (int) adapter.textOffset();

            float loss = new AdapterL1(0.5, adapter).addToGradient(manager).getFloat();

            float[] p = parameters.toFloatArray();
            float[] g = adapter.gradient().toFloatArray();
            assertThat(inDenoiser).isBetween(1, p.length - 1);
            double sum = 0;
            for (int i = 0; i < inDenoiser; i++) {
                sum += Math.abs(p[i]);
            }
            assertThat(loss).isCloseTo((float) (0.5 * sum / inDenoiser), within(1e-5f));
            for (int i = 0; i < p.length; i++) {
                double expected = i < inDenoiser ? 1 + 0.5 * Math.signum(p[i]) / inDenoiser : 1;
                assertThat(g[i]).isCloseTo((float) expected, within(1e-6f));
            }
        }
    }

    @Test
    void anAdapterOfTextEncodersAloneIsRefused() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                StableDiffusion model = StableDiffusion.open(BASE, manager);
                LoraAdapter adapter = LoraAdapter.create(
                        all(model), new LoraSettings(2, 2, List.of("text_encoder.*.q_proj")), 5, manager)) {
            assertThatThrownBy(() -> new AdapterL1(0.5, adapter))
                    .isInstanceOf(TrainerException.class)
                    .hasMessageContaining("`spec.training.loss.adapterL1` must be unset where no target")
                    .hasMessageContaining("was 0.5");
        }
    }

    private static List<Projection> all(StableDiffusion model) {
        List<Projection> all = new ArrayList<>(model.unet().projections());
        all.addAll(model.textProjections());
        return all;
    }
}
