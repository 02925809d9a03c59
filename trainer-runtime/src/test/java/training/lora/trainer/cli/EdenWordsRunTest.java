package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.PromptSpec;
import training.lora.trainer.TrainerException;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.convert.Conversion;
import training.lora.trainer.convert.Tool;
import training.lora.trainer.dataset.Concepts;
import training.lora.trainer.evaluate.LoraFileScores;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.SafeTensors;

/** New tokens of several words in a folder of Eden's layout, as the command evaluate reads it with the configuration beside them. */
@Timeout(900)
class EdenWordsRunTest {
    @TempDir
    Path folder;

    @Test
    void severalWordsAreTheTriggersOfTheirConfigurationAndTokensThatNoTriggerCallsAreRefused() throws IOException {
        TinyRun run = ofTwoWords();
        Ran ended = run.run("run");
        assertThat(ended.code()).as(ended.error()).isZero();
        Path output = run.workspace().resolve("output");
        Path eden = output.resolve("eden");

        LoraTrainingSpec spec = converted(eden.resolve("training_args.json"));

        List<String> triggers = Concepts.of(spec.datasets()).triggers();
        assertThat(triggers).containsExactly("qzx", "zqy");
        assertThat(LoraFileScores.prompts(spec, 4))
                .extracting(PromptSpec::text)
                .satisfiesExactly(
                        text -> assertThat(text).contains("qzx"),
                        text -> assertThat(text).contains("zqy"),
                        text -> assertThat(text).contains("qzx"),
                        text -> assertThat(text).contains("zqy"));
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                StableDiffusion model = StableDiffusion.open(folder.resolve("base"), manager)) {
            try (LoraAdapter adapter = EdenCheckpoint.at(eden).read(triggers, model, manager)) {
                var tokens = Objects.requireNonNull(adapter.tokens()).values();
                assertThat(tokens).containsOnlyKeys("qzx", "zqy");
                tokens.forEach((word, rows) -> {
                    LazyTensor read = Objects.requireNonNull(rows.get(Component.TextEncoder));
                    assertThat(read.in(manager).toFloatArray()).containsExactly(written(output, word, manager));
                });
            }
            for (Path named : List.of(eden, output.resolve("tiny.safetensors"))) {
                EdenCheckpoint checkpoint = EdenCheckpoint.at(named);
                assertThatThrownBy(() -> checkpoint.read(List.of("TOK"), model, manager))
                        .isInstanceOf(TrainerException.class)
                        .hasMessageStartingWith(
                                "--config_filename must have the word of new tokens as a trigger, but those of ")
                        .hasMessageEndingWith(
                                " are called qzx, zqy and it has TOK: name it with --set datasets[0].concept.trigger=qzx");
                checkpoint.read(List.of("Zqy", "other"), model, manager).close();
                // Without a trigger no prompt says any word, as where Eden's own training had no tokens.
                checkpoint.read(List.of(), model, manager).close();
            }
        }
    }

    /** Two data sets with a word each. */
    private TinyRun ofTwoWords() throws IOException {
        TinyRun run = TinyRun.create(
                folder,
                "steps: 2, precision: Float32, tokens: {count: 2}, adapter: {rank: 2, targets: [Attention]}",
                "output: {eden: true}");
        Files.createDirectories(folder.resolve("fruit"));
        for (String end : List.of(".png", ".txt")) {
            Files.move(folder.resolve("data/pear" + end), folder.resolve("fruit/pear" + end));
        }
        Files.writeString(run.yaml, Files.readString(run.yaml).replace("datasets: [{uri: data}]", """
                        datasets:
                          - {uri: data, concept: {mode: Object, trigger: qzx, className: cat}}
                          - {name: fruit, uri: fruit, concept: {mode: Object, trigger: zqy, className: a pear}}\
                        """));
        return run;
    }

    private static LoraTrainingSpec converted(Path arguments) {
        Path there = Objects.requireNonNull(arguments.getParent());
        return ForeignConfig.load(
                        Conversion.convert(Tool.Eden, arguments, ForeignConfig.places(there)), arguments, List.of())
                .run()
                .spec();
    }

    private static float[] written(Path output, String word, NDManager manager) {
        try (SafeTensors file = SafeTensors.open(output.resolve("embeddings/" + word + ".safetensors"))) {
            return file.read("emb_params", manager).toFloatArray();
        }
    }
}
