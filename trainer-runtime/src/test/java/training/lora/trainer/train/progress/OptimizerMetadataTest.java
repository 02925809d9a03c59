package training.lora.trainer.train.progress;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import training.lora.api.Json;
import training.lora.api.TrainingSpec;

/** What files say of the optimizer and the loss. */
class OptimizerMetadataTest {
    private static TrainingSpec training(String yaml) throws JsonProcessingException {
        return Json.STRICT_YAML.readValue(yaml, TrainingSpec.class);
    }

    @Test
    void optimizerAndLossAreNamedAsKohyasToolsReadThem() throws JsonProcessingException {
        TrainingSpec spec = training(
                "{optimizer: {type: Lion, loraPlusRatio: 16, schedule: {warmupSteps: 5}}, loss: {minSnrGamma: 3, offsetNoise: 0.1}}");

        assertThat(OptimizerMetadata.of(spec))
                .containsEntry("ss_optimizer", "Lion(weight_decay=0.05,betas=(0.9, 0.99))")
                .containsEntry("ss_learning_rate", "2.0E-5")
                .containsEntry("ss_unet_lr", "2.0E-5")
                .containsEntry("ss_lr_scheduler", "cosine")
                .containsEntry("ss_lr_warmup_steps", "5")
                .containsEntry("ss_network_args", "{\"loraplus_lr_ratio\":\"16.0\"}")
                .doesNotContainKey("ss_text_encoder_lr");
        assertThat(OptimizerMetadata.ofLoss(spec.loss()))
                .containsEntry("ss_min_snr_gamma", "3.0")
                .containsEntry("ss_noise_offset", "0.1")
                .containsEntry("ss_ip_noise_gamma", "None");
    }

    @Test
    void whereTokensAreAllTheyHaveTheirOwn() throws JsonProcessingException {
        TrainingSpec spec =
                training("{method: TextualInversion, tokens: {count: 1, optimizer: Prodigy, warmupSteps: 3}}");

        assertThat(OptimizerMetadata.of(spec))
                .containsExactlyInAnyOrderEntriesOf(Map.of(
                        "ss_learning_rate", "1.0",
                        "ss_optimizer", "Prodigy(weight_decay=0.0)",
                        "ss_lr_scheduler", "constant",
                        "ss_lr_warmup_steps", "3"));
    }

    @Test
    void tokensBesideAnAdapterSayTheirOptimizerAndNothingOfTheAdapters() throws JsonProcessingException {
        TrainingSpec spec = training(
                "{tokens: {count: 1, learningRate: 0.5}, adapter: {textEncoder: true}, optimizer: {type: Lion, loraPlusRatio: 16, schedule: {warmupSteps: 5}}}");
        Map<String, String> said = new TreeMap<>(OptimizerMetadata.of(spec));
        said.put("ss_seed", "7");

        assertThat(OptimizerMetadata.ofTokens(said, spec))
                .containsExactlyInAnyOrderEntriesOf(Map.of(
                        "ss_seed", "7",
                        "ss_learning_rate", "0.5",
                        "ss_optimizer", "AdamW(weight_decay=0.0)",
                        "ss_lr_scheduler", "polynomial",
                        "ss_lr_warmup_steps", "0"));
    }
}
