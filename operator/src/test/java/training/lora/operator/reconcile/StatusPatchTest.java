package training.lora.operator.reconcile;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import training.lora.api.Json;
import training.lora.api.LoraTrainingStatus;

final class StatusPatchTest {
    @Test
    void onlyWhatDiffersIsWritten() throws Exception {
        LoraTrainingStatus before = status("{\"phase\":\"Train\",\"model\":\"SD15\",\"progress\":{\"step\":1}}");
        LoraTrainingStatus after = status("{\"phase\":\"Evaluate\",\"model\":\"SD15\",\"progress\":{\"step\":1}}");

        assertThat(StatusPatch.between(before, after)).hasToString("{\"phase\":\"Evaluate\"}");
        assertThat(StatusPatch.between(before, before)).isEmpty();
    }

    @Test
    void removedFieldsAreNamed() throws Exception {
        LoraTrainingStatus before =
                status("{\"model\":\"SD15\",\"provenance\":{\"image\":\"a\",\"datasetDigest\":\"b\"}}");
        LoraTrainingStatus after = status("{\"provenance\":{\"image\":\"a\"}}");

        assertThat(StatusPatch.between(before, after))
                .hasToString("{\"model\":null,\"provenance\":{\"image\":\"a\",\"datasetDigest\":null}}");
    }

    private static LoraTrainingStatus status(String json) throws Exception {
        return Json.MAPPER.readValue(json, LoraTrainingStatus.class);
    }
}
