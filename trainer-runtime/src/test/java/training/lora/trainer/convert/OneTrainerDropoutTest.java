package training.lora.trainer.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What OneTrainer's text encoders drop are captions here. */
class OneTrainerDropoutTest {
    private static final String XL = "\"model_type\": \"STABLE_DIFFUSION_XL_10_BASE\", ";

    @TempDir
    Path folder;

    private Converted convert(String changes) throws IOException {
        ObjectNode file = Conversions.least(Tool.OneTrainer);
        Conversions.json("{" + changes + "}")
                .fields()
                .forEachRemaining(field -> Conversions.set(file, field.getKey(), field.getValue()));
        return Conversions.convert(Tool.OneTrainer, folder, file);
    }

    private static double dropout(Converted converted) {
        return converted.training().at("/spec/training/captions/dropout").asDouble(-1);
    }

    @ParameterizedTest
    @CsvSource({"0, 0, 0", "0.25, 0, 0.25", "0, 0.2, 0.2", "0.5, 0.2, 0.6"})
    void aCaptionIsLeftOutByTheTextEncoderOrItsTags(double ofEncoder, double ofTags, double all) throws IOException {
        Converted converted = convert(
                "\"text_encoder.dropout_probability\": %s, \"concepts.text.tag_dropout_enable\": true, \"concepts.text.tag_dropout_probability\": %s"
                        .formatted(ofEncoder, ofTags));

        assertThat(dropout(converted)).isEqualTo(all);
        assertThat(
                        Conversions.differences(converted)
                                .contains(
                                        "a caption that `text_encoder.dropout_probability` leaves out is the empty one, where there its embedding is zeros"))
                .isEqualTo(ofEncoder > 0);
    }

    @Test
    void bothTextEncodersLeaveOutTheSame() throws IOException {
        String first = XL + "\"text_encoder.dropout_probability\": 0.1";

        Converted converted = convert(first + ", \"text_encoder_2.dropout_probability\": 0.1");

        assertThat(dropout(converted)).isEqualTo(0.1);
        assertThat(Conversions.differences(converted)).contains("is the empty one for both text encoders");
        assertThatThrownBy(() -> convert(first))
                .hasMessageContaining(
                        "`text_encoder_2.dropout_probability` can't be unset: both text encoders get the empty caption together");
        assertThatThrownBy(() -> convert(first + ", \"text_encoder_2.dropout_probability\": 0.2"))
                .hasMessageContaining("`text_encoder_2.dropout_probability` can't be 0.2: ");
    }

    @Test
    void aSecondTextEncoderThatTheModelHasNotDropsNothing() throws IOException {
        Converted converted = convert("\"text_encoder_2.dropout_probability\": 0.2");

        assertThat(dropout(converted)).isZero();
        assertThat(converted.warnings()).anySatisfy(warning -> assertThat(warning)
                .contains("`text_encoder_2.dropout_probability` (Stable Diffusion 1.x has one text encoder)"));
    }
}
