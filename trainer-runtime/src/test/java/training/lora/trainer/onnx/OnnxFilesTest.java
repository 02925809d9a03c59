package training.lora.trainer.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OnnxFilesTest {
    private static final String FIELD = "spec.preparation.mask.model.uri";

    @TempDir
    Path folder;

    private Path write(String name) throws IOException {
        Path file = folder.resolve(name);
        Files.createDirectories(file.getParent());
        return Files.writeString(file, name);
    }

    @Test
    void singleGraphIsMadeOfItsDataAndOfWhatDescribesItBesideOrAbove() throws IOException {
        Path graph = write("model/onnx/model.onnx");
        Path data = write("model/onnx/model.onnx_data");
        Path merges = write("model/onnx/merges.txt");
        Path tags = write("model/selected_tags.csv");
        write("model/merges.txt");
        write("model/onnx/model_fp16.onnx");
        write("model/onnx/model_fp16.onnx_data");
        write("tokenizer.json");

        assertThat(OnnxFiles.all(FIELD, graph)).startsWith(graph).containsExactlyInAnyOrder(graph, data, merges, tags);
        assertThat(OnnxFiles.beside(graph, "selected_tags.csv")).isEqualTo(tags);
        assertThat(OnnxFiles.beside(graph, "merges.txt")).isEqualTo(merges);
    }

    @Test
    void folderIsDescribedByItsOwnFilesAlone() throws IOException {
        write("tokenizer.json");
        write("model/model.onnx");
        Path model = folder.resolve("model");

        assertThat(OnnxFiles.beside(model, "tokenizer.json")).isNull();
        assertThatThrownBy(() -> OnnxFiles.beside(model, "other.json"))
                .hasMessage("other.json is in no model's digest");
    }

    @Test
    void folderMayBeALink() throws IOException {
        write("model/onnx/model.onnx");
        write("model/config.json");
        Path link = Files.createSymbolicLink(folder.resolve("link"), folder.resolve("model"));

        assertThat(OnnxFiles.graph(FIELD, link)).isEqualTo(link.resolve("onnx/model.onnx"));
        assertThat(OnnxFiles.all(FIELD, link))
                .containsExactly(link.resolve("config.json"), link.resolve("onnx/model.onnx"));
    }
}
