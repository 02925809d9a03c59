package training.lora.trainer.dataset;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import training.lora.api.ConceptMode;
import training.lora.api.ConceptSpec;
import training.lora.api.DatasetRole;
import training.lora.api.DatasetSpec;
import training.lora.api.DatasetSpecBuilder;
import training.lora.api.PromptSpec;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.dataset.Concepts.Concept;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.model.unet.PictureSizes;

class ConceptsTest {
    private static final DatasetSpec ROBOTS = dataset("robots", ConceptMode.Object, "zorbot");
    private static final DatasetSpec INK = dataset("ink", ConceptMode.Style, "Ink Wash");
    private static final DatasetSpec PLAIN = dataset("plain", ConceptMode.Object, null);

    private static DatasetSpec dataset(String name, ConceptMode mode, @Nullable String trigger) {
        ConceptSpec concept = trigger == null ? null : new ConceptSpec(mode, trigger, null, null);
        return DatasetSpecBuilder.builder()
                .name(name)
                .uri(name)
                .role(DatasetRole.Train)
                .repeats(1)
                .weight(1.0)
                .concept(concept)
                .build();
    }

    private static DatasetSpec named(DatasetSpec of, String className) {
        ConceptSpec concept = Objects.requireNonNull(of.concept());
        return DatasetSpecBuilder.builder()
                .name(of.name())
                .uri(of.uri())
                .role(of.role())
                .repeats(of.repeats())
                .weight(of.weight())
                .concept(new ConceptSpec(concept.mode(), concept.trigger(), className, null))
                .build();
    }

    private static List<Sample> samples(DatasetSpec dataset, String... captions) {
        List<Sample> samples = new ArrayList<>();
        for (String caption : captions) {
            samples.add(DatasetManifestSampleBuilder.builder()
                    .name(dataset.name() + "/" + caption)
                    .dataset(dataset.name())
                    .role(dataset.role())
                    .file("")
                    .caption(caption)
                    .sha256("")
                    .sizes(PictureSizes.square(64))
                    .build());
        }
        return samples;
    }

    private static PromptSpec prompt(String text) {
        return new PromptSpec(text, "", 7L);
    }

    @Test
    void captionWithoutTheTriggerGetsItInTheWayOfItsKind() {
        Concepts concepts = Concepts.of(List.of(ROBOTS, INK, PLAIN));

        assertThat(concepts.caption(ROBOTS, "a robot")).isEqualTo("zorbot, a robot");
        assertThat(concepts.caption(INK, "a hill")).isEqualTo("in the style of Ink Wash, a hill");
        assertThat(concepts.caption(ROBOTS, "")).isEqualTo("zorbot");
        assertThat(concepts.caption(PLAIN, "a house")).isEqualTo("a house");
    }

    @Test
    void captionThatPlacesTheTriggerItselfStaysAsItIs() {
        Concepts concepts = Concepts.of(List.of(ROBOTS, INK));

        assertThat(concepts.caption(ROBOTS, "a photo of <concept> at night")).isEqualTo("a photo of zorbot at night");
        assertThat(concepts.caption(ROBOTS, "a photo of Zorbot")).isEqualTo("a photo of Zorbot");
        assertThat(concepts.caption(INK, "<robots> in the style of <ink>"))
                .isEqualTo("zorbot in the style of Ink Wash");
        assertThat(concepts.caption(ROBOTS, "two zorbots")).isEqualTo("zorbot, two zorbots");
    }

    @Test
    void dataSetsOfOneTriggerAreOneConceptAndHeldOutOnesAreNone() {
        DatasetSpec more = dataset("more", ConceptMode.Object, "zorbot");
        DatasetSpec held = DatasetSpecBuilder.builder()
                .name("held")
                .uri("held")
                .role(DatasetRole.Validation)
                .repeats(1)
                .weight(1.0)
                .concept(ROBOTS.concept())
                .build();

        assertThat(Concepts.of(List.of(ROBOTS, PLAIN, more, held)).all())
                .containsExactly(
                        new Concept("robots", "zorbot", List.of("robots", "more")),
                        new Concept("plain", null, List.of("plain")));
    }

    @Test
    void styleWithoutATriggerIsItsDataSetAndPutsNothingBeforeCaptions() {
        DatasetSpec one = DatasetSpecBuilder.builder()
                .name("one")
                .uri("one")
                .role(DatasetRole.Train)
                .repeats(1)
                .weight(1.0)
                .concept(new ConceptSpec(ConceptMode.Style, null, null, null))
                .build();
        DatasetSpec two = DatasetSpecBuilder.builder()
                .name("two")
                .uri("two")
                .role(DatasetRole.Train)
                .repeats(1)
                .weight(1.0)
                .concept(new ConceptSpec(ConceptMode.Style, null, null, null))
                .build();
        Concepts concepts = Concepts.of(List.of(one, ROBOTS, two));

        assertThat(concepts.all())
                .containsExactly(
                        new Concept("one", null, List.of("one")),
                        new Concept("robots", "zorbot", List.of("robots")),
                        new Concept("two", null, List.of("two")));
        assertThat(concepts.caption(one, "a house")).isEqualTo("a house");
        assertThat(concepts.caption(two, "a house with a <robots>")).isEqualTo("a house with a zorbot");
        assertThat(concepts.measuredBy("a house")).extracting(Concept::name).containsExactly("one", "two");
        assertThat(concepts.measuredBy("a zorbot")).extracting(Concept::name).containsExactly("robots");
        concepts.requireAll("p", List.of(prompt("a house"), prompt("a zorbot")));
        assertThatThrownBy(() -> concepts.requireAll("p", List.of(prompt("a zorbot"))))
                .hasMessage("`p` must have a prompt for each concept, but has none for one that names none");
    }

    @Test
    void wordsOfAConceptThatHasNoneAreRefused() {
        DatasetSpec style = DatasetSpecBuilder.builder()
                .name("ink")
                .uri("ink")
                .role(DatasetRole.Train)
                .repeats(1)
                .weight(1.0)
                .concept(new ConceptSpec(ConceptMode.Style, null, null, null))
                .build();

        for (DatasetSpec dataset : List.of(style, PLAIN)) {
            Concepts concepts = Concepts.of(List.of(dataset));
            assertThatThrownBy(() -> concepts.caption(dataset, "a <concept>"))
                    .isInstanceOfSatisfying(
                            TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.InvalidData))
                    .hasMessage(
                            "a caption of data set %s must not say <concept>, for which no trigger stands, but was \"a <concept>\"",
                            dataset.name());
            assertThatThrownBy(() -> concepts.given("p", List.of(prompt("a <concept>"))))
                    .hasMessage(
                            "`p[0].text` must not say <concept>, for which no trigger stands, but was \"a <concept>\"");
        }
        assertThatThrownBy(() -> Concepts.of(List.of(style, ROBOTS)).given("p", List.of(prompt("a <ink> <robots>"))))
                .hasMessage(
                        "`p[0].text` must not say <ink>, for which no trigger stands, but was \"a <ink> <robots>\"");
    }

    @Test
    void withoutPromptsTheConceptsTakeTurnsWithTheirFirstCaptions() {
        List<Sample> samples = new ArrayList<>(samples(ROBOTS, "zorbot, a", "zorbot, b", "zorbot, c"));
        samples.addAll(samples(INK, "Ink Wash, d"));

        assertThat(Concepts.of(List.of(ROBOTS, INK)).prompts("p", List.of(), samples, 3, 1000))
                .containsExactly(
                        new PromptSpec("zorbot, a", "", 1000L),
                        new PromptSpec("Ink Wash, d", "", 1001L),
                        new PromptSpec("zorbot, b", "", 1002L));
    }

    @Test
    void promptsNameConceptsByTheirDataSetsAndTheOnlyOneByConcept() {
        assertThat(Concepts.of(List.of(ROBOTS, INK)).given("p", List.of(prompt("<robots>, <ink>, <other>"))))
                .containsExactly(prompt("zorbot, Ink Wash, <other>"));
        assertThat(Concepts.of(List.of(ROBOTS, PLAIN)).given("p", List.of(prompt("a <concept>"))))
                .containsExactly(prompt("a zorbot"));
        assertThatThrownBy(() ->
                        Concepts.of(List.of(ROBOTS, INK)).given("p", List.of(prompt("a cat"), prompt("a <concept>"))))
                .hasMessage("`p[1].text` must say which concept is meant, such as <robots>, but was \"a <concept>\"");
        // <plain> would be refused: no trigger stands for it.
        assertThatThrownBy(() -> Concepts.of(List.of(PLAIN, ROBOTS, INK)).given("p", List.of(prompt("a <concept>"))))
                .hasMessage("`p[0].text` must say which concept is meant, such as <robots>, but was \"a <concept>\"");
    }

    @Test
    void promptMeasuresTheConceptsThatItNamesElseWhatHasNoWords() {
        Concepts concepts = Concepts.of(List.of(ROBOTS, INK, PLAIN));

        assertThat(concepts.measuredBy("a ZORBOT, ink wash"))
                .extracting(Concept::name)
                .containsExactly("robots", "ink");
        assertThat(concepts.measuredBy("a house")).extracting(Concept::name).containsExactly("plain");
        assertThat(Concepts.of(List.of(ROBOTS, INK)).measuredBy("a house")).isEmpty();
    }

    @Test
    void conceptThatNoPromptMeasuresIsNamed() {
        Concepts concepts = Concepts.of(List.of(ROBOTS, INK));

        concepts.requireAll("p", List.of());
        concepts.requireAll("p", List.of(prompt("<robots>"), prompt("ink wash")));
        assertThatThrownBy(() -> concepts.requireAll("p", List.of(prompt("a zorbot"))))
                .hasMessage("`p` must have a prompt for each concept, but has none for <ink>");
        assertThatThrownBy(() -> concepts.requireAll("p", List.of(prompt("a house"))))
                .hasMessage("`p` must have a prompt for each concept, but has none for <robots>, <ink>");
    }

    @Test
    void classNamesStandForTriggersWherePicturesAreComparedWithPrompts() {
        Concepts concepts = Concepts.of(List.of(named(ROBOTS, "toy robot"), named(INK, "ink painting"), PLAIN));

        assertThat(concepts.withClassNames("zorbot, a robot on a hill")).isEqualTo("toy robot, a robot on a hill");
        assertThat(concepts.withClassNames("ZORBOT in the style of ink wash"))
                .isEqualTo("toy robot in the style of ink painting");
        assertThat(concepts.withClassNames("a zorbots' house")).isEqualTo("a zorbots' house");
    }

    @Test
    void withoutClassNameTheTriggersPhraseIsLeftOut() {
        Concepts concepts = Concepts.of(List.of(ROBOTS, INK));

        assertThat(concepts.withClassNames("zorbot, a robot,  on a hill")).isEqualTo("a robot, on a hill");
        assertThat(concepts.withClassNames("in the style of Ink Wash, a hill")).isEqualTo("a hill");
        assertThat(concepts.withClassNames("a hill, In the style of ink wash")).isEqualTo("a hill");
        assertThat(concepts.withClassNames("an Ink Wash hill with a zorbot")).isEqualTo("an hill with a");
        assertThat(concepts.withClassNames("zorbot")).isEmpty();
        assertThat(concepts.withClassNames("a house")).isEqualTo("a house");
    }

    @Test
    void longerTriggerIsReplacedBeforeOneThatIsAPartOfIt() {
        DatasetSpec ink = named(dataset("short", ConceptMode.Style, "ink"), "drawing");

        assertThat(Concepts.of(List.of(ink, named(INK, "painting"))).withClassNames("ink, ink wash"))
                .isEqualTo("drawing, painting");
    }

    @Test
    void oneDataSetsClassNameIsThatOfAllOfItsTrigger() {
        DatasetSpec more = dataset("more", ConceptMode.Object, "zorbot");

        assertThat(Concepts.of(List.of(named(ROBOTS, "robot"), more)).withClassNames("zorbot"))
                .isEqualTo("robot");
        assertThat(Concepts.of(List.of(more, named(ROBOTS, "robot"))).withClassNames("zorbot"))
                .isEqualTo("robot");
    }
}
