package training.lora.trainer.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.AdapterFormat;
import training.lora.api.Json;
import training.lora.api.Precision;
import training.lora.trainer.TrainerException;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.basemodel.ModelOptions;
import training.lora.trainer.model.basemodel.SingleGoldens;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.model.weights.ModelFiles;
import training.lora.trainer.tensor.Copy;
import training.lora.trainer.tensor.SafeTensors;

/** Models that are written whole, beside what diffusers' own conversion makes of the same weights. */
class WholeModelTest {
    @TempDir
    Path folder;

    private final NDManager manager = NDManager.newBaseManager("PyTorch");

    private ExportMetadata metadata(StableDiffusion model) {
        return ExportMetadata.of("t", "base", model, 64);
    }

    /** Shapes and numbers of all tensors. */
    private Map<String, List<Object>> tensors(Path file) {
        Map<String, List<Object>> all = new TreeMap<>();
        try (SafeTensors opened = SafeTensors.open(file)) {
            opened.entries()
                    .forEach((name, entry) -> all.put(
                            name,
                            List.of(
                                    List.of(Arrays.stream(entry.shape()).boxed().toArray()),
                                    Arrays.hashCode(opened.read(name, manager).toFloatArray()))));
        }
        return all;
    }

    @ParameterizedTest
    @ValueSource(strings = {"tiny-sd15", "tiny-sdxl"})
    void aFoldersModelIsTheSingleFileOfTheSameWeights(String name) throws IOException {
        SingleGoldens.writeFile(name, folder.resolve("single.safetensors"));
        SingleGoldens.writeFolder(name, folder.resolve("base"));

        try (StableDiffusion model = StableDiffusion.open(folder.resolve("base"), manager)) {
            new WholeModel(folder.resolve("base"), model.unet())
                    .writeFile(folder.resolve("out.safetensors"), metadata(model));
        }

        Map<String, List<Object>> expected = tensors(folder.resolve("single.safetensors"));
        Map<String, List<Object>> written = tensors(folder.resolve("out.safetensors"));
        // What no network has, such as counters of a training.
        SingleGoldens.places(name).stream().filter(p -> p.part().equals("-")).forEach(p -> expected.remove(p.key()));
        assertThat(written).isNotEmpty().isEqualTo(expected);
    }

    @ParameterizedTest
    @CsvSource({
        "tiny-sd15, false, Float32",
        "tiny-sd15, true, BFloat16",
        "tiny-sdxl, false, BFloat16",
        "tiny-sdxl, true, Float32"
    })
    void whatWasTrainedIsInTheFilesAndIsLoadedFromThem(String name, boolean single, Precision precision)
            throws IOException {
        Path base = folder.resolve(single ? "base.safetensors" : "base");
        if (single) {
            SingleGoldens.writeFile(name, base);
        } else {
            SingleGoldens.writeFolder(name, base);
        }
        Path file = folder.resolve("out.safetensors");
        Path whole = folder.resolve("out");
        ModelOptions options = ModelOptions.in(precision);
        try (StableDiffusion model = StableDiffusion.open(base, options, manager);
                StableDiffusion untrained = StableDiffusion.open(base, options, manager)) {
            UNet unet = model.unet();
            // As trained.
            unet.parameters().all().forEach(weight -> {
                NDArray moved = weight.single().in(manager).mul(0.75);
                Copy.into(weight.array(), moved);
            });
            WholeModel trained = new WholeModel(base, unet);

            trained.writeFile(file, metadata(model));
            assertThat(trained.distance(file)).isZero();
            assertThat(new WholeModel(base, untrained.unet()).distance(file)).isPositive();
            if (!single) {
                trained.writeFolder(whole);
                assertThat(trained.distance(whole.resolve(WholeModel.UNET))).isZero();
            }
            WholeModel.load(file, untrained.unet());
            assertThat(new WholeModel(base, untrained.unet()).distance(file)).isZero();
            requireSame(unet, file, options);
            if (!single) {
                requireSame(unet, whole, options);
            }
        }
    }

    /** A model that is opened from {@code written} has the denoiser {@code unet}. */
    private void requireSame(UNet unet, Path written, ModelOptions options) {
        try (StableDiffusion again = StableDiffusion.open(written, options, manager)) {
            for (int i = 0; i < unet.parameters().all().size(); i++) {
                assertThat(again.unet()
                                .parameters()
                                .all()
                                .get(i)
                                .single()
                                .same(unet.parameters().all().get(i).single()))
                        .isTrue();
            }
        }
    }

    @Test
    void partsThatAFolderNamesAndLacksAreNone() throws IOException {
        Path base = folder.resolve("base");
        SingleGoldens.writeFolder("tiny-sd15", base);
        Files.writeString(base.resolve("model_index.json"), """
                {"_class_name": "StableDiffusionPipeline", "safety_checker": ["a", "b"], "unet": ["diffusers", "UNet2DConditionModel"]}
                """);
        Files.writeString(base.resolve("notes.txt"), "of the base model's maker");

        try (StableDiffusion model = StableDiffusion.open(base, manager)) {
            new WholeModel(base, model.unet()).writeFolder(folder.resolve("out"));
        }

        assertThat(Files.readString(folder.resolve("out/model_index.json")).replaceAll("\\s", ""))
                .contains("\"safety_checker\":[null,null]", "\"unet\":[\"diffusers\",\"UNet2DConditionModel\"]");
        try (Stream<Path> files = Files.list(folder.resolve("out"))) {
            assertThat(files.map(f -> f.getFileName().toString())).doesNotContain("notes.txt");
        }
    }

    @Test
    void shardsAreNamedByTheirIndexAsTheyAreWritten() throws IOException {
        Path base = folder.resolve("base");
        SingleGoldens.writeFolder("tiny-sd15", base);
        Path vae = base.resolve("vae");
        String stem = "diffusion_pytorch_model";
        Path whole = vae.resolve(stem + ".safetensors");
        Map<String, List<Object>> expected = tensors(whole);
        String shard = stem + ".fp16-00001-of-00001.safetensors";
        Files.move(whole, vae.resolve(shard));
        Map<String, String> places = new TreeMap<>();
        expected.keySet().forEach(name -> places.put(name, shard));
        Json.MAPPER.writeValue(
                vae.resolve(stem + ".safetensors.index.fp16.json").toFile(),
                Map.of("metadata", Map.of(), "weight_map", places));

        try (StableDiffusion model = StableDiffusion.open(base, manager)) {
            new WholeModel(base, model.unet()).writeFolder(folder.resolve("out"));
        }

        Path written = folder.resolve("out/vae");
        assertThat(tensors(written.resolve(stem + "-00001-of-00001.safetensors")))
                .isEqualTo(expected);
        try (SafeTensors opened = ModelFiles.weights(written, stem)) {
            assertThat(opened.entries()).containsOnlyKeys(expected.keySet());
        }
    }

    @Test
    void aFolderOfASingleFileIsRefused() throws IOException {
        Path base = Files.writeString(folder.resolve("base.safetensors"), "");

        assertThatThrownBy(() -> WholeModel.requireForms(base, List.of(AdapterFormat.Kohya, AdapterFormat.Diffusers)))
                .isInstanceOf(TrainerException.class)
                .hasMessage(
                        "`spec.output.formats` must be [Kohya] with FullFineTuning where the base model is a single file, which has no folder's descriptions, was [Kohya, Diffusers] and base.safetensors");
    }
}
