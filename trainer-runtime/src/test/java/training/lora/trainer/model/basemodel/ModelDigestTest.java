package training.lora.trainer.model.basemodel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.FileDigests;
import training.lora.trainer.files.Sha256;

/** A model is the same wherever it lies and whatever links lead to it, and another where any of its files is. */
class ModelDigestTest {
    private static final String UNET = "unet/diffusion_pytorch_model.safetensors";

    @TempDir
    Path folder;

    private Path model;

    @BeforeEach
    void model() throws IOException {
        model = write(folder.resolve("model"), "weights");
    }

    private static Path write(Path model, String weights) throws IOException {
        Files.createDirectories(model.resolve("unet"));
        Files.createDirectories(model.resolve("tokenizer"));
        Files.writeString(model.resolve("model_index.json"), "{}");
        Files.writeString(model.resolve("unet/config.json"), "{\"a\": 1}");
        Files.writeString(model.resolve(UNET), weights);
        Files.writeString(model.resolve("tokenizer/merges.txt"), "a b");
        return model;
    }

    private static String digest(Path place) throws IOException {
        return ModelDigest.of(place, null, FileDigests.computed());
    }

    @Test
    void folderBehindALinkIsThatFolder() throws IOException {
        Path other = write(folder.resolve("other"), "others");
        Path link = Files.createSymbolicLink(folder.resolve("link"), model);
        assertThat(digest(link)).isEqualTo(digest(model));

        Files.delete(link);
        Files.createSymbolicLink(link, other);

        assertThat(digest(link)).isEqualTo(digest(other)).isNotEqualTo(digest(model));
    }

    @Test
    void partsBehindLinksAreParts() throws IOException {
        String plain = digest(model);
        Files.createDirectories(folder.resolve("blobs"));
        Files.move(model.resolve("unet"), folder.resolve("blobs/unet"));
        Files.createSymbolicLink(model.resolve("unet"), Path.of("../blobs/unet"));
        Files.move(model.resolve("model_index.json"), folder.resolve("blobs/0f1e"));
        Files.createSymbolicLink(model.resolve("model_index.json"), Path.of("../blobs/0f1e"));
        assertThat(digest(model)).isEqualTo(plain);

        Files.writeString(folder.resolve("blobs").resolve(UNET), "others");

        assertThat(digest(model)).isNotEqualTo(plain);
    }

    @ParameterizedTest
    @ValueSource(strings = {"model_index.json", "unet/config.json", UNET, "tokenizer/merges.txt"})
    void everyFileThatTheModelIsReadFromCounts(String file) throws IOException {
        String plain = digest(model);

        Files.writeString(model.resolve(file), "another");

        assertThat(digest(model)).isNotEqualTo(plain);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "README.md",
                ".cache/download.json",
                "unet/._config.json",
                "my-lora.safetensors",
                "unet/my-lora.safetensors",
                "runs/my/dataset/manifest.json",
                "safety_checker/model.safetensors"
            })
    void whatIsNotReadDoesNotCount(String file) throws IOException {
        String plain = digest(model);
        Files.createDirectories(model.resolve(file).getParent());

        Files.writeString(model.resolve(file), "another");

        assertThat(digest(model)).isEqualTo(plain);
    }

    @Test
    void linkToAFolderThatItLiesInLeadsToNothingNew() throws IOException {
        String plain = digest(model);

        Files.createSymbolicLink(model.resolve("unet/latest"), Path.of(".."));

        assertThat(digest(model)).isEqualTo(plain);
    }

    @Test
    void folderWithoutAModelHasNoDigest() throws IOException {
        Path empty = Files.createDirectories(folder.resolve("empty"));

        assertThatThrownBy(() -> digest(empty))
                .isInstanceOfSatisfying(
                        TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.InvalidBaseModel))
                .hasMessage(empty + " must hold a model's .json and .safetensors files, but has none");
    }

    @Test
    void singleFileHasTheDigestOfItsBytesAndTheAutoencoderInItsPlaceCounts() throws IOException {
        Path file = Files.writeString(folder.resolve("model.safetensors"), "weights");

        assertThat(digest(file)).isEqualTo(Sha256.of("weights"));
        assertThat(ModelDigest.of(file, model, FileDigests.computed()))
                .isNotEqualTo(digest(file))
                .isNotEqualTo(ModelDigest.of(file, file, FileDigests.computed()));
    }
}
