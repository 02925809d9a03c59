package training.lora.trainer.model.basemodel;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Json;

/** Copies of diffusers folders, by the names of their files. */
class FolderCopyTest {
    private static final String INDEX = """
            { "_class_name": "StableDiffusionPipeline", "requires_safety_checker": true,
              "feature_extractor": ["transformers", "CLIPImageProcessor"],
              "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
              "unet": ["diffusers", "UNet2DConditionModel"] }
            """;

    @TempDir
    Path folder;

    private Path base(String... files) throws IOException {
        Path base = folder.resolve("base");
        Files.createDirectories(base);
        Files.writeString(base.resolve("model_index.json"), INDEX);
        for (String file : files) {
            Path place = base.resolve(file);
            Files.createDirectories(place.getParent());
            Files.writeString(place, "content of " + file);
        }
        return base;
    }

    private Path copied(Path base) throws IOException {
        Path copy = folder.resolve("copy");
        FolderCopy.of(base).write(copy, file -> true);
        return copy;
    }

    private static List<String> names(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            return files.filter(Files::isRegularFile)
                    .map(file -> folder.relativize(file).toString())
                    .sorted()
                    .toList();
        }
    }

    @Test
    void namesOfWeightsLoseTheirVariant() throws IOException {
        Path base = base(
                "loras/style.fp16.safetensors",
                "safety_checker/model.fp16.safetensors",
                "text_encoder/config.json",
                "text_encoder/model.fp16.safetensors",
                "unet/diffusion_pytorch_model.fp16-00001-of-00002.safetensors",
                "unet/diffusion_pytorch_model.fp16-00002-of-00002.safetensors",
                "v1-5.fp16.safetensors");
        Files.writeString(base.resolve("unet/diffusion_pytorch_model.safetensors.index.fp16.json"), """
                {"metadata": {"total_size": 2}, "weight_map":
                  {"a": "diffusion_pytorch_model.fp16-00001-of-00002.safetensors",
                   "b": "diffusion_pytorch_model.fp16-00002-of-00002.safetensors"}}
                """);

        Path copy = copied(base);

        assertThat(names(copy))
                .containsExactly(
                        "loras/style.fp16.safetensors",
                        "model_index.json",
                        "safety_checker/model.safetensors",
                        "text_encoder/config.json",
                        "text_encoder/model.safetensors",
                        "unet/diffusion_pytorch_model-00001-of-00002.safetensors",
                        "unet/diffusion_pytorch_model-00002-of-00002.safetensors",
                        "unet/diffusion_pytorch_model.safetensors.index.json",
                        "v1-5.fp16.safetensors");
        assertThat(copy.resolve("unet/diffusion_pytorch_model-00002-of-00002.safetensors"))
                .hasContent("content of unet/diffusion_pytorch_model.fp16-00002-of-00002.safetensors");
        assertThat(Json.MAPPER.readTree(copy.resolve("unet/diffusion_pytorch_model.safetensors.index.json")
                        .toFile()))
                .isEqualTo(Json.MAPPER.readTree("""
                        {"metadata": {"total_size": 2}, "weight_map":
                          {"a": "diffusion_pytorch_model-00001-of-00002.safetensors",
                           "b": "diffusion_pytorch_model-00002-of-00002.safetensors"}}
                        """));
    }

    @Test
    void whereWeightsOfBothFormsLieEachKeepsItsNameAndOfAModelsPartsOneIsCopied() throws IOException {
        Path base = base(
                "safety_checker/model.fp16.safetensors",
                "safety_checker/model.safetensors",
                "unet/diffusion_pytorch_model.fp16.safetensors",
                "unet/diffusion_pytorch_model.safetensors");

        Path copy = copied(base);

        assertThat(names(copy))
                .containsExactly(
                        "model_index.json",
                        "safety_checker/model.fp16.safetensors",
                        "safety_checker/model.safetensors",
                        "unet/diffusion_pytorch_model.safetensors");
        assertThat(copy.resolve("unet/diffusion_pytorch_model.safetensors"))
                .hasContent("content of unet/diffusion_pytorch_model.safetensors");
    }

    @Test
    void partsThatAreNotThereAreNoneInTheIndexAndAWholeIndexStaysByteForByte() throws IOException {
        Path base = base("unet/diffusion_pytorch_model.safetensors");

        Path without = copied(base);
        base("safety_checker/config.json", "feature_extractor/preprocessor_config.json");
        Path whole = folder.resolve("whole");
        FolderCopy.of(base).write(whole, file -> true);

        assertThat(Json.MAPPER.readTree(without.resolve("model_index.json").toFile()))
                .isEqualTo(Json.MAPPER.readTree("""
                        {"_class_name": "StableDiffusionPipeline", "requires_safety_checker": true,
                         "feature_extractor": [null, null], "safety_checker": [null, null],
                         "unet": ["diffusers", "UNet2DConditionModel"]}
                        """));
        assertThat(whole.resolve("model_index.json")).content().isEqualTo(INDEX);
    }

    @Test
    void ofFoldersThatAreLinksAModelsPartsAreCopiedAndOthersAreNot() throws IOException {
        Path base = base("unet/diffusion_pytorch_model.safetensors");
        Files.move(base.resolve("unet"), folder.resolve("elsewhere"));
        Files.createSymbolicLink(base.resolve("unet"), folder.resolve("elsewhere"));
        Files.createSymbolicLink(base.resolve("loras"), folder.resolve("elsewhere"));
        Path link = Files.createSymbolicLink(folder.resolve("link"), base);

        Path copy = copied(link);

        assertThat(names(copy)).containsExactly("model_index.json", "unet/diffusion_pytorch_model.safetensors");
        assertThat(copy.resolve("unet")).isDirectory();
        assertThat(Files.isSymbolicLink(copy.resolve("unet"))).isFalse();
        assertThat(FolderCopy.of(link).in(copy, link.resolve("unet/diffusion_pytorch_model.safetensors")))
                .isEqualTo(copy.resolve("unet/diffusion_pytorch_model.safetensors"));
    }
}
