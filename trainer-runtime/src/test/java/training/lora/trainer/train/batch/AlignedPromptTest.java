package training.lora.trainer.train.batch;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.core.JsonProcessingException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.DatasetRole;
import training.lora.api.Json;
import training.lora.api.LoraTrainingSpec;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.dataset.DatasetManifestSampleBuilder;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.model.unet.PictureSizes;

class AlignedPromptTest {
    private static final Shape SHAPE = new Shape(4, 1, 2, 2);

    @Test
    void countsForPicturesOfWhatTheTextCallsWhoseCaptionsAreSaid() throws JsonProcessingException {
        LoraTrainingSpec spec = Json.STRICT_YAML.readValue("""
                baseModel: {uri: "pvc://model"}
                datasets:
                - {name: class, uri: "pvc://c", role: Regularization}
                - {name: other, uri: "pvc://b", concept: {mode: Object, trigger: zzw, className: dog}}
                - {name: main, uri: "pvc://a", concept: {mode: Object, trigger: qzx, className: a cat}}
                training: {loss: {promptAlignment: {prompt: a sketch of a QZX}}}
                """, LoraTrainingSpec.class);
        List<Sample> samples = List.of(
                sample("class", DatasetRole.Regularization),
                sample("other", DatasetRole.Train),
                sample("main", DatasetRole.Train));
        List<String> embedded = new ArrayList<>();
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            KnownTexts known = KnownTexts.of(
                    spec,
                    (told, in) -> {
                        embedded.addAll(told);
                        return Conditioning.of(in.full(new Shape(told.size(), 3, 2), (float) embedded.size()));
                    },
                    scope);
            AlignedPrompt prompt = Objects.requireNonNull(AlignedPrompt.of(new NoData(), samples, spec, known, 1000));

            Aligned aligned =
                    prompt.at(5, new int[] {0, 1, 2, 2}, new boolean[] {false, false, false, true}, SHAPE, scope);
            Aligned none = prompt.at(5, new int[] {0, 1}, new boolean[2], new Shape(2, 1, 2, 2), scope);

            assertThat(aligned.factors()).containsExactly(0, 0, 1, 0);
            assertThat(aligned.any()).isTrue();
            assertThat(none.any()).isFalse();
            // Once for all batches.
            assertThat(embedded).containsExactly("a sketch of a cat", "", "a sketch of a QZX");
            assertThat(numbers(aligned.target())).hasSize(24).containsOnly(1);
            assertThat(numbers(aligned.empty())).hasSize(24).containsOnly(2);
            assertThat(numbers(aligned.own())).hasSize(24).containsOnly(3);
            assertThat(numbers(aligned.ownEmpty())).hasSize(24).containsOnly(2);
        }
    }

    @ParameterizedTest
    @CsvSource({"{adapter: {textEncoder: true}, true", "{tokens: {count: 1}, false"})
    void whatIsTrainedAloneIsEmbeddedAtEachStep(String trained, boolean empty) throws JsonProcessingException {
        LoraTrainingSpec spec = Json.STRICT_YAML.readValue("""
                baseModel: {uri: "pvc://model"}
                datasets: [{uri: "pvc://a", concept: {mode: Object, trigger: qzx, className: cat}}]
                training: %s, loss: {promptAlignment: {prompt: a sketch of qzx}}}
                """.formatted(trained), LoraTrainingSpec.class);
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            KnownTexts known =
                    KnownTexts.of(spec, (told, in) -> Conditioning.of(in.ones(new Shape(told.size(), 3, 2))), scope);
            AlignedPrompt prompt = Objects.requireNonNull(
                    AlignedPrompt.of(sizes(), List.of(sample("main", DatasetRole.Train)), spec, known, 1000));

            Aligned aligned = prompt.at(0, new int[2], new boolean[2], new Shape(2, 1, 2, 2), scope);

            assertThat(((Told.Texts) aligned.own()).texts()).containsExactly("a sketch of qzx", "a sketch of qzx");
            assertThat(aligned.ownEmpty()).isInstanceOf(empty ? Told.Texts.class : Told.Embedded.class);
            assertThat(numbers(aligned.target())).hasSize(12);
            assertThat(numbers(aligned.empty())).hasSize(12);
        }
    }

    private static float[] numbers(Told told) {
        return ((Told.Embedded) told).conditioning().context().toFloatArray();
    }

    private static TrainingData sizes() {
        return new NoData() {
            @Override
            public NDArray timeIds(int[] samples, NDManager scope) {
                return scope.zeros(new Shape(samples.length, 6));
            }
        };
    }

    private static Sample sample(String dataset, DatasetRole role) {
        return DatasetManifestSampleBuilder.builder()
                .name(dataset)
                .dataset(dataset)
                .role(role)
                .file("")
                .caption("a")
                .sha256("")
                .sizes(PictureSizes.square(64))
                .build();
    }
}
