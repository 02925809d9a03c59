package training.lora.trainer.convert;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** 3x3 convolutions, and they alone, have the rank and the alpha that other trainers give convolutions. */
class ThreeByThreeTest {
    private static final String ALL = "Attention FeedForward Convolution";
    private static final String NONE = "Attention FeedForward";
    private static final String WITHOUT = "Attention FeedForward *.time_emb_proj *.conv_shortcut";

    @TempDir
    Path folder;

    @BeforeEach
    void pictures() throws IOException {
        Conversions.kohyaPicture(folder);
    }

    private Converted kohya(String module, String arguments) throws IOException {
        return Conversions.kohyaSets(
                "train_network",
                folder,
                "network_module = '%s'; network_dim = 16; network_alpha = 8; network_args = [%s]"
                        .formatted(module, arguments));
    }

    private static void requireAdapter(Converted converted, String targets, String rank, String alpha)
            throws IOException {
        JsonNode adapter = converted.training().at("/spec/training/adapter");
        assertThat(adapter.get("targets")).extracting(JsonNode::asText).containsExactly(targets.split(" "));
        List<JsonNode> overrides = new ArrayList<>();
        adapter.path("overrides").forEach(overrides::add);
        if (alpha.isEmpty()) {
            assertThat(overrides).isEmpty();
        } else {
            assertThat(overrides)
                    .extracting(override -> override.path("target").asText())
                    .containsExactly("*.conv1", "*.conv2", "*samplers.0.conv");
            assertThat(overrides).allSatisfy(override -> {
                assertThat(override.path("rank").asText()).isEqualTo(rank);
                assertThat(override.path("alpha").asText()).isEqualTo(alpha);
            });
        }
        assertThat(Conversions.problems(converted.training())).isEmpty();
    }

    /** As create_network of networks.lora and of LyCORIS' kohya.py have it. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            value = {
                "networks.lora | \"\"                             | " + NONE + "    | \"\" | \"\"",
                "networks.lora | 'conv_dim=4'                     | " + ALL + "     | 4 | 1",
                "networks.lora | 'conv_dim=4', 'conv_alpha=2'     | " + ALL + "     | 4 | 2",
                "networks.lora | 'conv_dim=4', 'conv_alpha=0'     | " + ALL + "     | 4 | 4",
                "networks.lora | 'conv_dim=0', 'conv_alpha=2'     | " + WITHOUT + " | \"\" | \"\"",
                "networks.lora | 'conv_alpha=2'                   | " + NONE + "    | \"\" | \"\"",
                "lycoris.kohya | \"\"                             | " + ALL + "     | \"\" | \"\"",
                "lycoris.kohya | 'conv_dim=4'                     | " + ALL + "     | 4 | 8",
                "lycoris.kohya | 'conv_alpha=2'                   | " + ALL + "     | \"\" | 2",
                "lycoris.kohya | 'conv_alpha=0'                   | " + ALL + "     | \"\" | 16",
                "lycoris.kohya | 'conv_dim=0'                     | " + WITHOUT + " | \"\" | \"\"",
                "lycoris.kohya | 'conv_dim=0', 'preset=attn-only' | Attention       | \"\" | \"\"",
                "lycoris.kohya | 'conv_dim=0', 'preset=unet-convblock-only' | *.time_emb_proj *.conv_shortcut | \"\" | \"\""
            })
    void kohyasConvolutionsHaveTheirOwnRankAndAlpha(
            String module, String arguments, String targets, String rank, String alpha) throws IOException {
        requireAdapter(kohya(module, arguments), targets, rank, alpha);
    }

    @Test
    void anAlphaOfConvolutionsWithoutARankIsNamed() throws IOException {
        assertThat(kohya("networks.lora", "'conv_alpha=2'").warnings())
                .contains("without effect: `network_args.conv_alpha` (counts beside conv_dim alone)");
        assertThat(kohya("networks.lora", "'conv_dim=0', 'conv_alpha=2'").warnings())
                .contains("without effect: `network_args.conv_alpha` (no convolution has a rank)");
        assertThat(kohya("networks.lora", "'conv_dim=4', 'conv_alpha=2'").warnings())
                .noneMatch(warning -> warning.contains("conv_alpha"));
    }

    @ParameterizedTest
    @CsvSource({
        "'\"network.linear\": 16', " + NONE + ", '', ''",
        "'\"network.conv\": 4', " + ALL + ", 4, 4",
        "'\"network.conv\": 4, \"network.conv_alpha\": 2', " + ALL + ", 4, 2",
        "'\"network.conv\": 0', " + WITHOUT + ", '', ''"
    })
    void aiToolkitsConvolutionsHaveTheirOwnRankAndAlpha(String options, String targets, String rank, String alpha)
            throws IOException {
        ObjectNode config = Conversions.least(Tool.AiToolkit);
        Conversions.json("{" + options + "}")
                .fields()
                .forEachRemaining(field ->
                        Conversions.set(Conversions.options(Tool.AiToolkit, config), field.getKey(), field.getValue()));

        requireAdapter(Conversions.convert(Tool.AiToolkit, folder, config), targets, rank, alpha);
    }
}
