package training.lora.trainer.prepare.caption;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.CaptionsSpec;
import training.lora.api.Json;

/** What kept captions are found by. */
class CaptionersTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "Blip, model: {uri: m}; ; beginning: a; beams: 2; maxTokens: 9; temperature: 1",
                "Florence2, model: {uri: m}; ; detail: Caption; beginning: a; beams: 2; maxTokens: 9; temperature: 1",
                "Tagger, model: {uri: m}; ; tags: {threshold: 0.5}; tags: {characterThreshold: 0.5}; tags: {exclude: [a]}",
                "OpenAI; api: {model: m}; api: {model: n}; api: {model: m, url: 'http://a'}; api: {model: m, instruction: what}; "
                        + "api: {model: m, picturesPerCall: 4}; api: {model: m}, maxTokens: 9; api: {model: m}, beginning: a"
            })
    void allThatDecidesACaptionIsInItsKey(String sourceAndSettings) throws IOException {
        String[] parts = sourceAndSettings.split(";");
        List<String> keys = new ArrayList<>();
        for (String settings : List.of(parts).subList(1, parts.length)) {
            String spec = "{source: %s%s}".formatted(parts[0], settings.isBlank() ? "" : ", " + settings);
            keys.add(Captioners.key(Json.STRICT_YAML.readValue(spec, CaptionsSpec.class), 5));
        }
        assertThat(keys).hasSizeGreaterThan(3).doesNotHaveDuplicates();
    }
}
