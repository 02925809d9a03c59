package training.lora.trainer.train.progress;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a file says of its training. */
class TrainingMetadataTest {
    @ParameterizedTest
    @CsvSource({
        "hf://owner/lora@main, lora.safetensors",
        "hf://owner/lora, lora.safetensors",
        "hf://owner/lora@main/style@2.safetensors, style@2.safetensors",
        "loras/style@2#1.safetensors, style@2#1.safetensors",
        "https://example.org/style.safetensors?token=a, style.safetensors",
        "s3://bucket/loras/style@2, style@2.safetensors"
    })
    void aBaseAdaptersFileIsCalledAsItsAddressEnds(String uri, String file) {
        assertThat(TrainingMetadata.file(uri)).isEqualTo(file);
    }
}
