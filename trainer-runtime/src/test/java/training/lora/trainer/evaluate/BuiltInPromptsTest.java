package training.lora.trainer.evaluate;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import training.lora.api.ConceptMode;
import training.lora.api.Json;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.PromptSpec;
import training.lora.trainer.dataset.Concepts;

class BuiltInPromptsTest {
    private static List<PromptSpec> of(String datasets) throws Exception {
        LoraTrainingSpec spec =
                Json.STRICT_YAML.readValue("baseModel: {uri: base}\ndatasets: " + datasets, LoraTrainingSpec.class);
        return BuiltInPrompts.of(spec, Concepts.of(spec.datasets()), 1000);
    }

    @Test
    void eachModeHasEightPromptsOfItsOwnThatNothingElseHas() {
        for (ConceptMode mode : ConceptMode.values()) {
            assertThat(BuiltInPrompts.lines(mode.name().toLowerCase(Locale.ROOT)))
                    .hasSize(8)
                    .doesNotHaveDuplicates()
                    .allMatch(line -> mode == ConceptMode.Style ^ line.contains("<concept>"))
                    .doesNotContainAnyElementsOf(BuiltInPrompts.lines("others"));
        }
    }

    @Test
    void promptsOfAnObjectNameItAndFourNameNothing() throws Exception {
        List<PromptSpec> prompts = of("[{uri: a, concept: {mode: Object, trigger: blorp, className: cat}}]");

        assertThat(prompts).hasSize(12);
        assertThat(prompts.subList(0, 8)).allMatch(p -> p.text().contains("blorp"));
        assertThat(prompts.subList(8, 12)).noneMatch(p -> p.text().contains("blorp"));
        assertThat(prompts)
                .extracting(PromptSpec::seed)
                .containsExactly(1000L, 1001L, 1002L, 1003L, 1004L, 1005L, 1006L, 1007L, 1008L, 1009L, 1010L, 1011L);
    }

    @Test
    void styleIsAskedForByItsPhraseAndOneWithoutWordsByAllPrompts() throws Exception {
        assertThat(of("[{uri: a, concept: {trigger: blorp}}]").get(0).text())
                .isEqualTo("a lighthouse on a rocky coast, in the style of blorp");
        assertThat(of("[{uri: a}]")).hasSize(8).noneMatch(p -> p.text().contains("style of"));
    }

    /** Of which as many are drawn as are asked for, and not those of the first concept alone. */
    @Test
    void severalConceptsTakeTurns() throws Exception {
        LoraTrainingSpec spec = Json.STRICT_YAML.readValue("""
                baseModel: {uri: base}
                datasets:
                - {name: one, uri: a, concept: {mode: Object, trigger: blorp}}
                - {name: two, uri: b, concept: {mode: Object, trigger: zif}}
                """, LoraTrainingSpec.class);

        List<PromptSpec> prompts = LoraFileScores.prompts(spec, 4);

        String first = BuiltInPrompts.lines("object").get(0);
        String second = BuiltInPrompts.lines("object").get(1);
        assertThat(prompts)
                .extracting(PromptSpec::text)
                .containsExactly(
                        first.replace("<concept>", "blorp"),
                        first.replace("<concept>", "zif"),
                        second.replace("<concept>", "blorp"),
                        second.replace("<concept>", "zif"));
        assertThat(prompts).extracting(PromptSpec::seed).containsExactly(0L, 1L, 2L, 3L);
        assertThat(LoraFileScores.prompts(spec, 1)).hasSize(2);
    }

    @Test
    void severalConceptsHaveFourEach() throws Exception {
        List<PromptSpec> prompts = of(
                "[{name: one, uri: a, concept: {trigger: blorp}}, {name: two, uri: b, concept: {mode: Object, trigger: zif}}]");

        assertThat(prompts).hasSize(12);
        assertThat(prompts.stream().filter(p -> p.text().contains("blorp"))).hasSize(4);
        assertThat(prompts.stream().filter(p -> p.text().contains("zif"))).hasSize(4);
    }
}
