package training.lora.trainer.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

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

    /** Of XL sd-scripts calls these modules otherwise, and LyCORIS leaves them too. */
    @ParameterizedTest
    @CsvSource({
        "train_network, '', full, 'conv_in, conv_out, time_embedding.linear_1, time_embedding.linear_2'",
        "train_network, preset=unet-only, unet-only, 'conv_in, conv_out, time_embedding.linear_1, time_embedding.linear_2'",
        "train_network, preset=unet-convblock-only, unet-convblock-only, 'conv_in, conv_out'",
        "train_network, conv_dim=0, full, 'time_embedding.linear_1, time_embedding.linear_2'",
        "train_network, preset=attn-mlp, attn-mlp, ''",
        "sdxl_train_network, preset=full, full, ''"
    })
    void modulesOfAPresetThatStayAsTheyAreAreTold(String script, String argument, String preset, String modules)
            throws IOException {
        Converted converted = Conversions.kohyaSets(
                script,
                folder,
                LYCORIS + "network_args = [%s]".formatted(argument.isEmpty() ? "" : "'" + argument + "'"));

        String differences = Conversions.differences(converted);
        if (modules.isEmpty()) {
            assertThat(differences).doesNotContain("of LyCORIS adapts too");
        } else {
            assertThat(differences)
                    .contains(": %s, which the preset %s of LyCORIS adapts too, stay as they are"
                            .formatted(modules, preset));
        }
    }

    @Test
    void magnitudesByInputsAreRefusedWhereThereAreMagnitudes() throws IOException {
        String inputs = "network_args = ['wd_on_output=False'%s]";

        assertThatThrownBy(() -> toml(LYCORIS + inputs.formatted(", 'dora_wd=True'")))
                .hasMessageContaining(
                        "`network_args.wd_on_output` can't be \"False\": a DoRA by inputs is not trained");
        assertThat(toml(LYCORIS + inputs.formatted("").replace("False", "True', 'dora_wd=True"))
                        .training()
                        .at("/spec/training/adapter/type")
                        .asText())
                .isEqualTo("DoRA");
        for (String module : new String[] {"lycoris.kohya", "networks.lora"}) {
            assertThat(toml("network_module = '%s'; ".formatted(module) + inputs.formatted(""))
                            .warnings())
                    .contains(
                            "without effect: `network_args.wd_on_output` (counts beside dora_wd of lycoris.kohya alone)");
        }
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
