package training.lora.trainer.train.progress;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import org.junit.jupiter.api.Test;
import training.lora.api.Json;
import training.lora.api.TrainingSpec;

/** What files say of the optimizer and the loss. */
class MovedByTest {
    private static TrainingSpec training(String yaml) throws JsonProcessingException {
        return Json.STRICT_YAML.readValue(yaml, TrainingSpec.class);
    }

    @Test
    void optimizerAndLossAreNamedAsKohyasToolsReadThem() throws JsonProcessingException {
        TrainingSpec spec = training(
                "{optimizer: {type: Lion, loraPlusRatio: 16, schedule: {warmupSteps: 5}}, loss: {minSnrGamma: 3, offsetNoise: 0.1}}");

        assertThat(MovedBy.of(spec.optimizer(), false))
                .containsEntry("ss_optimizer", "Lion(weight_decay=0.05,betas=(0.9, 0.99))")
                .containsEntry("ss_lr_scheduler", "cosine")
                .containsEntry("ss_lr_warmup_steps", "5")
                .containsEntry("ss_network_args", "{\"loraplus_lr_ratio\":\"16.0\"}");
        assertThat(MovedBy.losses(spec.loss()))
                .containsEntry("ss_min_snr_gamma", "3.0")
                .containsEntry("ss_noise_offset", "0.1")
                .containsEntry("ss_ip_noise_gamma", "None");
    }

    @Test
    void whereTokensAreAllTheyHaveTheirOwn() throws JsonProcessingException {
        TrainingSpec spec = training("{tokens: {count: 1, optimizer: Prodigy, warmupSteps: 3}}");

        assertThat(MovedBy.tokens(spec.tokens()))
                .containsEntry("ss_optimizer", "Prodigy(weight_decay=0.0)")
                .containsEntry("ss_lr_scheduler", "constant")
                .containsEntry("ss_lr_warmup_steps", "3");
    }
}
