package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.Stage;
import training.lora.trainer.Goldens;
import training.lora.trainer.evaluate.EvaluateStage;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.run.RunSpecs;
import training.lora.trainer.run.Workspace;
import training.lora.trainer.source.Sources;
import training.lora.trainer.source.Surroundings;
import training.lora.trainer.train.TrainStage;

/** Text encoders are out of memory while a stage works whose texts never change. */
class ReleasedNetworksTest {
    /** Of the table of tokens of the tiny text encoder, (vocabulary, width). */
    private static final Shape TOKENS = new Shape(60, 24);

    @TempDir
    Path folder;

    private TinyRun run;

    @BeforeEach
    void tinyRun() throws IOException {
        run = TinyRun.create(
                folder, "steps: 2, checkpoints: {everySteps: 1}, adapter: {rank: 2}, watchdog: {enabled: false}");
    }

    /** Whether the text encoder was in memory, each time that {@code stage} told how far it was. */
    private List<Boolean> held(Stage stage, String... more) throws IOException {
        Path clip = Goldens.BUNDLED.resolve("emoji-clip").toAbsolutePath().normalize();
        List<String> settings = new ArrayList<>(List.of(more));
        settings.add("evaluation={enabled: true, clip: {uri: \"%s\"}}".formatted(clip));
        settings.add(0, "sampling={steps: 1, prompts: [{text: a qzx, seed: 1}]}");
        List<Boolean> held = new ArrayList<>();
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            RunContext context = new RunContext(
                    RunSpecs.load(run.yaml, settings).run(),
                    1,
                    Workspace.of(run.workspace()),
                    Sources.of(name -> null, run.folder),
                    message -> held.add(manager.getManagedArrays().stream()
                            .anyMatch(array -> array.getShape().equals(TOKENS))),
                    new Surroundings(name -> null, () -> false),
                    manager);
            if (stage == Stage.Train) {
                TrainStage.run(context, (run, data, model, memory) -> null);
            } else {
                EvaluateStage.run(context);
            }
        }
        return held;
    }

    @Test
    void trainingAndEvaluationHoldNoTextEncoder() throws IOException {
        assertThat(run.run("prepare").code()).isZero();

        assertThat(held(Stage.Train)).isNotEmpty().containsOnly(false);
        assertThat(held(Stage.Evaluate)).hasSizeGreaterThan(2).containsOnly(false);
    }

    /** Whether pictures are drawn on the way or not, which needs texts too. */
    @ParameterizedTest
    @CsvSource({
        "promptAlignment={prompt: a sketch of a qzx}, true, false",
        "promptAlignment={prompt: a sketch of a qzx}, false, false",
        "preservation.prompts=[a cat], true, false",
        "preservation.prompts=[a cat], false, false",
        "preservation.prompts=[a cat; <caption>], false, true"
    })
    void textsOfLossesThatNothingChangesHoldNoTextEncoder(String loss, boolean drawn, boolean held) throws IOException {
        String concept = "datasets=[{uri: data, concept: {mode: Object, trigger: qzx, className: cat}}]";
        assertThat(run.run("prepare", "--set", concept).code()).isZero();

        assertThat(held(Stage.Train, concept, "training.loss." + loss.replace(';', ','), "sampling.enabled=" + drawn))
                .isNotEmpty()
                .last()
                .isEqualTo(held);
    }

    @Test
    void trainingOfATextEncoderHoldsIt() throws IOException {
        assertThat(run.run("prepare").code()).isZero();

        assertThat(held(Stage.Train, "training.adapter.textEncoder=true"))
                .isNotEmpty()
                .containsOnly(true);
    }
}
