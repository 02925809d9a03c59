package training.lora.trainer.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDManager;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import training.lora.api.LossSpec;
import training.lora.api.LossWeighting;
import training.lora.api.OptimizerSpec;
import training.lora.api.ScheduleSpec;
import training.lora.api.ScheduleType;
import training.lora.trainer.Goldens;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.diffusion.NoiseSchedule;
import training.lora.trainer.model.Projection;
import training.lora.trainer.model.StableDiffusion;

class TenLossesTest {
    @Test
    void tenStepsHavePeftsLossesAndGradientNorms() {
        OptimizerSpec optimizer =
                new OptimizerSpec(1e-3, 0.01, 0.9, 0.999, 1.0, new ScheduleSpec(ScheduleType.Constant, 0));
        try (NDManager run = NDManager.newBaseManager("PyTorch");
                Goldens golden = new Goldens("ten-losses", run);
                StableDiffusion model = StableDiffusion.open(Goldens.BUNDLED.resolve("emoji-sd"), run)) {
            Map<String, LoraAdapter.Factors> factors = new HashMap<>();
            for (Projection p : model.unet().projections()) {
                float[] down = golden.get(p.path() + ".A").toFloatArray();
                factors.put(p.path(), new LoraAdapter.Factors(8, 8, down, new float[(int) (8 * p.out())]));
            }
            try (LoraAdapter adapter = LoraAdapter.of(model.unet().projections(), factors, run);
                    LoraStep step = new LoraStep(
                            model.unet(),
                            adapter,
                            NoiseSchedule.of(model.schedule()),
                            new LossSpec(LossWeighting.MinSnr, 5.0),
                            optimizer,
                            run)) {
                for (int k = 0; k < 10; k++) {
                    float[] t = golden.get(k + ".timesteps").toFloatArray();
                    try (NDManager scope = run.newSubManager()) {
                        step.train(
                                attached(golden, k + ".latents", scope),
                                attached(golden, k + ".noise", scope),
                                new int[] {(int) t[0], (int) t[1]},
                                attached(golden, k + ".context", scope),
                                1e-3,
                                scope);
                    }
                }
                List<LoraStep.Measured> measured = step.drain();
                float[] losses = golden.get("losses").toFloatArray();
                float[] norms = golden.get("norms").toFloatArray();
                for (int k = 0; k < 10; k++) {
                    assertThat(measured.get(k).loss())
                            .as("loss of step %d", k)
                            .isCloseTo(losses[k], within(1e-4 * losses[k]));
                    assertThat(measured.get(k).gradientNorm())
                            .as("gradient norm of step %d", k)
                            .isCloseTo(norms[k], within(1e-3 * norms[k]));
                }
            }
        }
    }

    private static ai.djl.ndarray.NDArray attached(Goldens golden, String name, NDManager scope) {
        ai.djl.ndarray.NDArray array = golden.get(name);
        array.attach(scope);
        return array;
    }
}
