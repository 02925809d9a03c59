package training.lora.trainer.export;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
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
import training.lora.api.Json;
import training.lora.api.Precision;
import training.lora.api.Prediction;
import training.lora.trainer.Goldens;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.TrainedPrompts;
import training.lora.trainer.model.basemodel.ModelOptions;
import training.lora.trainer.model.basemodel.SingleGoldens;
import training.lora.trainer.model.weights.ModelFiles;
import training.lora.trainer.model.weights.Parameter;
import training.lora.trainer.tensor.Copy;
import training.lora.trainer.tensor.SafeTensors;
import training.lora.trainer.tensor.SafeTensorsWriter;

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
            WholeModel.of(folder.resolve("base"), model, false)
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
        "tiny-sd15, false, false, Float32",
        "tiny-sd15, true, true, BFloat16",
        "tiny-sd15, false, true, Float32",
        "tiny-sdxl, false, true, BFloat16",
        "tiny-sdxl, true, true, Float32",
        "tiny-sdxl, true, false, BFloat16"
    })
    void whatWasTrainedIsInTheFilesAndIsLoadedFromThem(String name, boolean single, boolean texts, Precision precision)
            throws IOException {
        Path base = folder.resolve(single ? "base.safetensors" : "base");
        if (single) {
            SingleGoldens.writeFile(name, base);
        } else {
            SingleGoldens.writeFolder(name, base);
        }
        Path file = folder.resolve("out.safetensors");
        Path whole = folder.resolve("out");
        ModelOptions options = ModelOptions.in(precision).withTextPrecision(precision);
        try (StableDiffusion model = StableDiffusion.open(base, options, manager);
                StableDiffusion untrained = StableDiffusion.open(base, options, manager)) {
            // As trained.
            weights(model, texts).forEach(weight -> {
                NDArray moved = weight.single().in(manager).mul(0.75);
                Copy.into(weight.array(), moved);
            });
            WholeModel trained = WholeModel.of(base, model, texts);

            trained.writeFile(file, metadata(model));
            trained.writeFolder(whole);
            assertThat(trained.distance(file)).isZero();
            assertThat(trained.distance(whole.resolve(WholeModel.UNET))).isZero();
            assertThat(WholeModel.of(base, untrained, texts).distance(file)).isPositive();
            for (Path form : List.of(file, whole.resolve(WholeModel.UNET))) {
                try (StableDiffusion loaded = StableDiffusion.open(base, options, manager)) {
                    WholeModel.of(base, loaded, texts).load(form);
                    assertThat(WholeModel.of(base, loaded, texts).distance(file))
                            .isZero();
                }
            }
            requireSame(model, file, options);
            requireSame(model, whole, options);

            Path unet = whole.resolve(WholeModel.UNET);
            String before = WholeModel.digest(unet);
            Files.write(whole.resolve("text_encoder/model.safetensors"), new byte[] {1}, StandardOpenOption.APPEND);
            assertThat(WholeModel.digest(unet))
                    .as("of what was trained beside it")
                    .isNotEqualTo(before);
        }
    }

    /** As the bundled model has it, which can be no base model as one file. */
    @Test
    void aModelOfAnotherVocabularyIsWrittenAndReadBack() throws IOException {
        Path base = Goldens.BUNDLED.resolve("emoji-sd");
        Path file = folder.resolve("out.safetensors");
        try (StableDiffusion model = StableDiffusion.open(base, manager)) {
            WholeModel trained = WholeModel.of(base, model, true);

            trained.writeFile(file, metadata(model));
            trained.writeFolder(folder.resolve("out"));

            assertThat(trained.distance(file)).isZero();
            assertThat(trained.distance(folder.resolve("out").resolve(WholeModel.UNET)))
                    .isZero();
            trained.load(file);
        }
    }

    /** In fp16, which bf16 can't hold. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void layersThatNothingIsReadOfStayAsTheBaseModelsFilesHaveThem(boolean single) throws IOException {
        SingleGoldens.writeFile("tiny-sdxl", folder.resolve("base.safetensors"));
        SingleGoldens.writeFolder("tiny-sdxl", folder.resolve("base"));
        Path base = folder.resolve(single ? "base.safetensors" : "base");
        Path file = folder.resolve("out.safetensors");
        ModelOptions options = ModelOptions.in(Precision.BFloat16).withTextPrecision(Precision.BFloat16);
        try (StableDiffusion model = StableDiffusion.open(base, options, manager)) {
            WholeModel trained = WholeModel.of(base, model, true);
            trained.writeFile(file, metadata(model));
            trained.writeFolder(folder.resolve("out"));
        }

        String part = "text_encoder/model.safetensors";
        for (String name : List.of("encoder.layers.1.mlp.fc1.weight", "final_layer_norm.weight")) {
            assertThat(tensor(file, "conditioner.embedders.0", name))
                    .isEqualTo(tensor(folder.resolve("base.safetensors"), "conditioner.embedders.0", name));
            assertThat(tensor(folder.resolve("out").resolve(part), "", name))
                    .isEqualTo(tensor(folder.resolve("base").resolve(part), "", name));
        }
        String read = "encoder.layers.0.mlp.fc1.weight";
        assertThat(tensor(file, "conditioner.embedders.0", read))
                .isNotEqualTo(tensor(folder.resolve("base.safetensors"), "conditioner.embedders.0", read));
    }

    private List<Object> tensor(Path file, String begin, String end) {
        return tensors(file).entrySet().stream()
                .filter(e -> e.getKey().startsWith(begin) && e.getKey().endsWith(end))
                .findFirst()
                .orElseThrow()
                .getValue();
    }

    @ParameterizedTest
    @CsvSource({"tiny-sd15, 0", "tiny-sd15, 1", "tiny-sdxl, 0", "tiny-sdxl, 1"})
    void whatIsWrittenOfTextEncodersIsWhatCanBeTrained(String name, int skip) throws IOException {
        SingleGoldens.writeFolder(name, folder.resolve("base"));
        ModelOptions options = ModelOptions.DEFAULT.withTexts(ModelOptions.CHUNK, skip);
        try (StableDiffusion model = StableDiffusion.open(folder.resolve("base"), options, manager)) {
            List<Parameter> trained = new TrainedPrompts(model.prompts())
                    .layers().values().stream()
                            .flatMap(List::stream)
                            .flatMap(List::stream)
                            .toList();

            assertThat(model.prompts().weights().values().stream().flatMap(List::stream))
                    .hasSizeGreaterThan(10)
                    .containsExactlyInAnyOrderElementsOf(trained);
        }
    }

    /** Of two forms of the weights that one which the model is opened from. */
    @Test
    void aFoldersOtherPartsAreThoseThatAreRead() throws IOException {
        Path base = folder.resolve("base");
        SingleGoldens.writeFolder("tiny-sd15", base);
        Path vae = base.resolve("vae");
        Path plain = vae.resolve("diffusion_pytorch_model.safetensors");
        Map<String, NDArray> other = new TreeMap<>();
        try (SafeTensors file = SafeTensors.open(plain)) {
            file.entries()
                    .keySet()
                    .forEach(key -> other.put(key, file.read(key, manager).mul(0.5)));
        }
        SafeTensorsWriter.write(vae.resolve("diffusion_pytorch_model.fp16.safetensors"), other, Map.of());

        try (StableDiffusion model = StableDiffusion.open(base, manager)) {
            WholeModel.of(base, model, false).writeFolder(folder.resolve("out"));
        }

        Path written = folder.resolve("out/vae");
        assertThat(tensors(written.resolve("diffusion_pytorch_model.safetensors")))
                .isEqualTo(tensors(plain));
        try (Stream<Path> files = Files.list(written)) {
            assertThat(files.filter(f -> f.toString().endsWith(".safetensors"))).hasSize(1);
        }
    }

    private static List<Parameter> weights(StableDiffusion model, boolean texts) {
        List<Parameter> all = new ArrayList<>(model.unet().parameters().all());
        if (texts) {
            model.prompts().weights().values().forEach(all::addAll);
        }
        return all;
    }

    /** A model that is opened from {@code written} has the denoiser and the text encoders of {@code model}. */
    private void requireSame(StableDiffusion model, Path written, ModelOptions options) {
        try (StableDiffusion again = StableDiffusion.open(written, options, manager)) {
            List<Parameter> found = weights(again, true);
            List<Parameter> expected = weights(model, true);
            assertThat(found).hasSameSizeAs(expected);
            for (int i = 0; i < found.size(); i++) {
                assertThat(found.get(i).single().same(expected.get(i).single()))
                        .as(expected.get(i).name())
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
            WholeModel.of(base, model, false).writeFolder(folder.resolve("out"));
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
            WholeModel.of(base, model, false).writeFolder(folder.resolve("out"));
        }

        Path written = folder.resolve("out/vae");
        assertThat(tensors(written.resolve(stem + "-00001-of-00001.safetensors")))
                .isEqualTo(expected);
        try (SafeTensors opened = ModelFiles.weights(written, stem)) {
            assertThat(opened.entries()).containsOnlyKeys(expected.keySet());
        }
    }

    /** As transformers names them, the tensors that diffusers' own conversion of the single file has. */
    @ParameterizedTest
    @ValueSource(strings = {"tiny-sd15", "tiny-sdxl"})
    void aSingleFilesModelIsTheFolderOfTheSameWeights(String name) throws IOException {
        Path base = folder.resolve("single.safetensors");
        Path whole = folder.resolve("out");
        SingleGoldens.writeFile(name, base);
        SingleGoldens.writeFolder(name, folder.resolve("expected"));

        try (StableDiffusion model = StableDiffusion.open(base, manager)) {
            WholeModel.of(base, model, false).writeFolder(whole);
        }

        JsonNode index = Json.MAPPER.readTree(whole.resolve("model_index.json").toFile());
        for (String part : List.of("unet", "vae", "text_encoder", "text_encoder_2")) {
            if (!Files.isDirectory(folder.resolve("expected").resolve(part))) {
                assertThat(whole.resolve(part)).doesNotExist();
                continue;
            }
            assertThat(index.get(part)).as(part).hasSize(2);
            String file = part + (part.startsWith("text") ? "/model" : "/diffusion_pytorch_model") + ".safetensors";
            Map<String, List<Object>> expected =
                    tensors(folder.resolve("expected").resolve(file));
            Map<String, List<Object>> named = new TreeMap<>();
            expected.forEach((tensor, content) -> {
                if (!tensor.endsWith("position_ids")) {
                    // transformers 5 reads the older name as well, and older ones nothing else.
                    boolean bare = part.equals("text_encoder") && !tensor.startsWith("text_model.");
                    named.put(bare ? "text_model." + tensor : tensor, content);
                }
            });
            assertThat(tensors(whole.resolve(file))).as(part).isEqualTo(named);
            assertThat(config(whole.resolve(part)))
                    .as(part)
                    .containsAllEntriesOf(told(config(folder.resolve("expected").resolve(part))));
        }
    }

    private static Map<String, Object> config(Path part) throws IOException {
        return Json.MAPPER.readValue(part.resolve("config.json").toFile(), new TypeReference<>() {});
    }

    /** What says the same as a list is left out. */
    private static Map<String, Object> told(Map<String, Object> config) {
        Map<String, Object> told = new TreeMap<>(config);
        told.remove("transformer_layers_per_block", 1);
        told.remove("use_linear_projection", false);
        return told;
    }

    @ParameterizedTest
    @CsvSource({"true, false", "true, true", "false, false"})
    void noiseThatAModelWasTrainedWithIsToldInBothForms(boolean v, boolean zero) throws IOException {
        Path single = folder.resolve("single.safetensors");
        SingleGoldens.writeFile("tiny-sd15", single);
        Map<String, NDArray> marked = new TreeMap<>();
        try (SafeTensors file = SafeTensors.open(single)) {
            file.entries().keySet().forEach(key -> marked.put(key, file.read(key, manager)));
        }
        if (v) {
            marked.put("v_pred", manager.create(new Shape(0)));
        }
        if (zero) {
            marked.put("ztsnr", manager.create(new Shape(0)));
        }
        SafeTensorsWriter.write(single, marked, Map.of());
        Path first = folder.resolve("first");
        Path file = folder.resolve("file.safetensors");

        try (StableDiffusion model = StableDiffusion.open(single, manager)) {
            WholeModel.of(single, model, false).writeFolder(first);
        }
        try (StableDiffusion model = StableDiffusion.open(first, manager)) {
            WholeModel.of(first, model, false).writeFile(file, metadata(model));
        }

        for (Path form : List.of(single, first, file)) {
            try (StableDiffusion model = StableDiffusion.open(form, manager)) {
                assertThat(model.schedule().prediction())
                        .as("%s", form)
                        .isEqualTo(v ? Prediction.V : Prediction.Epsilon);
                assertThat(model.schedule().zeroTerminalSnr()).as("%s", form).isEqualTo(zero);
            }
        }
        assertThat(tensors(file).containsKey("v_pred")).isEqualTo(v);
        assertThat(tensors(file).containsKey("ztsnr")).isEqualTo(zero);
    }
}
