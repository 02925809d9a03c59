package training.lora.trainer.convert;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.Json;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.ModelFamily;

/** What is written as Eden's configuration is read as the training that it was written from. */
class EdenArgumentsTest {
    @TempDir
    Path folder;

    private static LoraTrainingSpec spec(Converted converted) throws IOException {
        return Json.STRICT_YAML.treeToValue(converted.training().get("spec"), LoraTrainingSpec.class);
    }

    @ParameterizedTest
    @ValueSource(strings = {"object", "style", "face"})
    void argumentsOfATrainingThatEdenCouldDoAreReadAsThatTraining(String name) throws IOException {
        Path here = Conversions.CONFIGS.toAbsolutePath();
        Converted first = Conversion.convert(
                Tool.Eden, Conversions.CONFIGS.resolve("eden/" + name + ".json"), new Places(here, here));
        LoraTrainingSpec spec = spec(first);
        ModelFamily family = spec.baseModel().family() == null
                ? ModelFamily.SD15
                : spec.baseModel().family();

        ObjectNode arguments = EdenArguments.of(
                spec,
                first.training().at("/metadata/name").asText(),
                family,
                Objects.requireNonNull(spec.training().steps()));

        // Where the output goes and plots are no part of it.
        ((ObjectNode) first.training().get("spec")).remove(List.of("output", "tracking"));
        Converted again = Conversions.convert(Tool.Eden, folder, arguments);
        ((ObjectNode) again.training().at("/spec/baseModel")).remove("family");
        ((ObjectNode) first.training().at("/spec/baseModel")).remove("family");
        assertThat(again.training().toPrettyString()).isEqualTo(first.training().toPrettyString());
        assertThat(again.warnings()).noneMatch(w -> w.contains("unknown"));
    }

    @Test
    void tokensOfOneWordAreCalledTokAndThoseOfSeveralByTheirWords() {
        assertThat(EdenArguments.tokenDictionary(List.of("banny"), 3)).hasToString("{\"TOK\":\"<s0><s1><s2>\"}");
        assertThat(EdenArguments.tokenDictionary(List.of("banny", "tinny"), 2))
                .hasToString("{\"banny\":\"<s0><s1>\",\"tinny\":\"<s2><s3>\"}");
    }
}
