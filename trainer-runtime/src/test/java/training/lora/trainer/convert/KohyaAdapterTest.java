package training.lora.trainer.convert;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Options and arguments of kohya's networks. */
class KohyaAdapterTest {
    private static final String LYCORIS = "network_module = 'lycoris.kohya'; ";

    @TempDir
    Path folder;

    @BeforeEach
    void pictures() throws IOException {
        Conversions.kohyaPicture(folder);
    }

    private Converted toml(String options) throws IOException {
        return Conversions.kohyaSets("train_network", folder, options);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "'loraplus_lr_ratio=' | 0",
                "'loraplus_unet_lr_ratio=' | 0",
                "'loraplus_unet_lr_ratio=', 'loraplus_lr_ratio=4' | 4",
                "'loraplus_unet_lr_ratio=8', 'loraplus_lr_ratio=4' | 8",
                "'loraplus_unet_lr_ratio=8', 'loraplus_lr_ratio=' | 8"
            },
            quoteCharacter = '"')
    void aBlankRatioOfLoraPlusIsUnset(String arguments, double ratio) throws IOException {
        Converted converted = toml("network_args = [%s]".formatted(arguments));

        assertThat(converted
                        .training()
                        .at("/spec/training/optimizer/loraPlusRatio")
                        .asDouble())
                .isEqualTo(ratio);
    }

    @ParameterizedTest
    @CsvSource({
        "full, Attention FeedForward Convolution, true",
        "attn-mlp, Attention FeedForward, true",
        "attn-only, Attention, true",
        "unet-only, Attention FeedForward Convolution, false",
        "unet-transformer-only, Attention FeedForward, false",
        "unet-convblock-only, Convolution, false"
    })
    void presetsOfLycorisSayWhatIsAdapted(String preset, String targets, boolean textEncoder) throws IOException {
        Converted converted = toml(LYCORIS + "network_args = ['preset=%s', 'conv_dim=8']".formatted(preset));

        JsonNode adapter = converted.training().at("/spec/training/adapter");
        assertThat(adapter.get("targets")).extracting(JsonNode::asText).containsExactly(targets.split(" "));
        assertThat(adapter.path("textEncoder").asBoolean()).isEqualTo(textEncoder);
        boolean convolutions = targets.contains("Convolution");
        assertThat(adapter.has("overrides")).isEqualTo(convolutions);
        assertThat(converted.warnings().toString().contains("adapts no convolutions"))
                .isEqualTo(!convolutions);
    }

    /** As train_network.py hands them on. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "lycoris.kohya | ''    | 'dropout=0.2' | 0.2 |",
                "lycoris.kohya | '0.1' | 'dropout=0.2' | 0.2 | `network_dropout` (of LyCORIS network_args.dropout counts before it)",
                "lycoris.kohya | '0.1' | 'dropout=' | 0 | `network_dropout` (of LyCORIS network_args.dropout counts before it)",
                "lycoris.kohya | '0.1' | 'algo=lora' | 0.1 |",
                "networks.lora | '0.1' | 'dropout=0.2' | 0.1 | `network_args.dropout` (LyCORIS alone reads it)",
                "networks.lora | '' | 'dropout=0.2' | 0 | `network_args.dropout` (LyCORIS alone reads it)",
                "networks.lora | '0.1' | 'dropout=0' | 0.1 |"
            },
            quoteCharacter = '"')
    void dropoutIsTheOptionsOrTheArgumentsAsTheNetworkTakesIt(
            String module, String option, String argument, double dropout, @Nullable String unread) throws IOException {
        Converted converted = toml(
                "network_module = '%s'; network_dropout = %s; network_args = [%s]".formatted(module, option, argument));

        assertThat(converted.training().at("/spec/training/adapter/dropout").asDouble())
                .isEqualTo(dropout);
        assertThat(converted.warnings().stream().filter(warning -> warning.contains("dropout")))
                .hasSize(unread == null ? 0 : 1)
                .allMatch(warning -> warning.equals("without effect: " + unread));
    }

    @ParameterizedTest
    @CsvSource({"''", "0", "0.0", "[]", "[0]"})
    void aRateOfTextEncodersThatAsksForNothingIsNotSaidToBeWithoutEffect(String rate) throws IOException {
        String value = rate.isEmpty() ? "''" : rate;

        assertThat(toml("network_train_unet_only = true; text_encoder_lr = " + value)
                        .warnings())
                .noneMatch(warning -> warning.contains("text_encoder_lr"));
    }

    @Test
    void aBlankRateOfTextEncodersIsTheCommonOne() throws IOException {
        for (String blank : new String[] {"''", "['']"}) {
            assertThat(toml("text_encoder_lr = " + blank).training()).isEqualTo(toml("").training());
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "'conv_dim=4' | network_alpha",
                "'conv_dim=4', 'conv_alpha=' | network_alpha",
                "'conv_dim=4', 'conv_alpha=2' | network_args.conv_alpha"
            },
            quoteCharacter = '"')
    void theStrengthOfConvolutionsIsOfTheOptionThatGaveIt(String arguments, String key) throws IOException {
        assertThat(toml(LYCORIS + "network_alpha = 3; network_args = [%s]".formatted(arguments))
                        .origins())
                .containsEntry("spec.training.adapter.overrides[0].alpha", key);
    }
}
