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
            AlignedPrompt prompt = Objects.requireNonNull(AlignedPrompt.of(
                    new NoData(),
                    samples,
                    spec,
                    (texts, in) -> {
                        embedded.addAll(texts);
                        return Conditioning.of(in.ones(new Shape(texts.size(), 3, 2)));
                    },
                    1000));

            Aligned aligned =
                    prompt.at(5, new int[] {0, 1, 2, 2}, new boolean[] {false, false, false, true}, SHAPE, scope);
            Aligned none = prompt.at(5, new int[] {0, 1}, new boolean[2], new Shape(2, 1, 2, 2), scope);

            assertThat(aligned.factors()).containsExactly(0, 0, 1, 0);
            assertThat(aligned.any()).isTrue();
            assertThat(none.any()).isFalse();
            assertThat(embedded.subList(0, 3)).containsExactly("a sketch of a QZX", "a sketch of a cat", "");
            NDArray context = ((Told.Embedded) aligned.own()).conditioning().context();
            assertThat(context.getShape()).isEqualTo(new Shape(4, 3, 2));
        }
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
