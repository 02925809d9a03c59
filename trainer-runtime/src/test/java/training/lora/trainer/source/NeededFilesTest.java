package training.lora.trainer.source;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/** What is fetched of a repository. */
class NeededFilesTest {
    private static final Source DATA = new Source("spec.datasets[0].uri", "hf://datasets/a/b", Use.Dataset, null, null);

    @Test
    void tablesOfCaptionsAreFetchedWithThePicturesAndOtherTablesAreNot() {
        assertThat(NeededFiles.of(
                                DATA,
                                "",
                                List.of(
                                        "README.md",
                                        "a.png",
                                        "captions.jsonl",
                                        "dataset_infos.json",
                                        "metadata.csv",
                                        "train/Metadata.JSONL",
                                        "train/b.png",
                                        "train/metadata.json",
                                        "train/other.csv"))
                        .files()
                        .keySet())
                .containsExactly(
                        "a.png",
                        "captions.jsonl",
                        "metadata.csv",
                        "train/Metadata.JSONL",
                        "train/b.png",
                        "train/metadata.json");
    }

    @Test
    void ofFlorencesExportItsFourGraphsAreFetchedOrWhatIsMissingIsNamed() {
        Source model = new Source("spec.preparation.captions.model.uri", "hf://a/florence", Use.Florence, null, null);
        List<String> all = List.of(
                "README.md",
                "onnx/decoder_model.onnx",
                "onnx/decoder_model_merged.onnx",
                "onnx/decoder_model_merged_q4.onnx",
                "onnx/embed_tokens.onnx",
                "onnx/encoder_model.onnx",
                "onnx/vision_encoder.onnx",
                "onnx/vision_encoder_fp16.onnx",
                "tokenizer.json");

        NeededFiles needed = NeededFiles.of(model, "", all);

        assertThat(needed.folder()).isTrue();
        assertThat(needed.files().keySet())
                .containsExactly(
                        "onnx/decoder_model_merged.onnx",
                        "onnx/embed_tokens.onnx",
                        "onnx/encoder_model.onnx",
                        "onnx/vision_encoder.onnx",
                        "tokenizer.json");
        assertThatThrownBy(() -> NeededFiles.of(model, "", all.subList(0, 8)))
                .isInstanceOfSatisfying(
                        TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.InvalidConfiguration))
                .hasMessageContaining("`spec.preparation.captions.model.uri`")
                .hasMessageContaining("hf://a/florence")
                .hasMessageEndingWith("but tokenizer.json is missing");
    }

    @Test
    void aTableBesideAnArchiveIsNoReasonToLeaveThePicturesBehind() {
        assertThat(NeededFiles.of(DATA, "", List.of("metadata.jsonl", "pictures.zip")))
                .isEqualTo(NeededFiles.of(DATA, "", List.of("pictures.zip")));
    }
}
