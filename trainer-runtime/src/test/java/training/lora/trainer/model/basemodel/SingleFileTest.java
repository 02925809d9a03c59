package training.lora.trainer.model.basemodel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.Json;
import training.lora.api.ModelFamily;
import training.lora.api.Prediction;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.FileDigests;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.model.text.TextEmbedding;
import training.lora.trainer.model.text.Tokenizer;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.model.unet.PictureSizesBuilder;
import training.lora.trainer.model.unet.UNetConfig;
import training.lora.trainer.model.weights.Config;
import training.lora.trainer.model.weights.Stored;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.SafeTensors;
import training.lora.trainer.tensor.SafeTensorsWriter;

/** Base models in the original code's names, as {@link SingleGoldens} knows them by diffusers' own conversion. */
class SingleFileTest {
    private static final Path SOME = Path.of("some.safetensors");

    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"sd15", "sdxl", "tiny-sd15", "tiny-sdxl"})
    void everyNetworkIsDescribedByTheFilesShapes(String model) throws IOException {
        SingleFile file = SingleFile.of(SOME, SingleGoldens.header(model), Map.of());

        JsonNode told = SingleGoldens.configs(model);
        assertThat(file.family()).isEqualTo(told.has("text_encoder_2") ? ModelFamily.SDXL : ModelFamily.SD15);
        assertThat(UNetConfig.of(file.part(Part.UNet).config()))
                .isEqualTo(UNetConfig.of(Config.of("golden", told.get("unet"))));
        for (Part part : Part.values()) {
            if (part != Part.UNet && told.has(part.folder())) {
                JsonNode described = file.part(part).describes();
                described.fieldNames().forEachRemaining(key -> assertThat(described.get(key))
                        .as("%s of %s", key, part)
                        .isEqualTo(told.get(part.folder()).get(key)));
            }
        }
    }

    @Test
    void publishedFamiliesAreThoseThatBenchmarksKnow() throws IOException {
        assertThat(unet("sd15")).isEqualTo(UNetConfig.SD15);
        assertThat(unet("sdxl")).isEqualTo(UNetConfig.SDXL);
    }

    private static UNetConfig unet(String model) throws IOException {
        return UNetConfig.of(SingleFile.of(SOME, SingleGoldens.header(model), Map.of())
                .part(Part.UNet)
                .config());
    }

    @ParameterizedTest
    @ValueSource(strings = {"sd15", "sdxl", "tiny-sd15", "tiny-sdxl"})
    void everyTensorIsWhereDiffusersFindsIt(String model) throws IOException {
        SingleFile file = SingleFile.of(SOME, SingleGoldens.header(model), Map.of());
        Map<String, SingleFile.FilePart> parts = new LinkedHashMap<>();
        for (SingleGoldens.Place place : SingleGoldens.places(model)) {
            for (Part part : Part.values()) {
                if (part.folder().equals(place.part())) {
                    Stored stored = Objects.requireNonNull(
                            parts.computeIfAbsent(place.part(), p -> file.part(part))
                                    .place(network(place)),
                            place.name());

                    assertThat(stored.key()).isEqualTo(place.key());
                    if (!place.how().equals("squeezed") && place.stored().length == place.shape().length) {
                        assertThat(stored.shape(place.shape())).as(place.name()).isEqualTo(place.stored());
                    }
                }
            }
        }
        assertThat(parts).hasSize(file.family() == ModelFamily.SDXL ? 4 : 3);
    }

    /** The network's own name: transformers 5 leaves a word out of the first text encoder's. */
    private static String network(SingleGoldens.Place place) {
        boolean bare = place.part().equals("text_encoder") && !place.name().startsWith("text_model.");
        return bare ? "text_model." + place.name() : place.name();
    }

    @ParameterizedTest
    @ValueSource(strings = {"tiny-sd15", "tiny-sdxl"})
    void everyNetworkComputesWhatTheFoldersDoes(String model) throws IOException {
        SingleGoldens.writeFile(model, folder.resolve("single.safetensors"));
        SingleGoldens.writeFolder(model, folder.resolve("folder"));
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                StableDiffusion single = StableDiffusion.open(folder.resolve("single.safetensors"), manager);
                StableDiffusion other = StableDiffusion.open(folder.resolve("folder"), manager)) {
            assertThat(single.family()).isEqualTo(other.family());
            assertThat(single.schedule()).isEqualTo(other.schedule());
            assertThat(single.resolution()).isEqualTo(other.resolution());
            Map<String, float[]> expected = run(other, manager);
            run(single, manager).forEach((what, values) -> assertThat(Arrays.equals(values, expected.get(what)))
                    .as(what)
                    .isTrue());
        }
    }

    private static Map<String, float[]> run(StableDiffusion model, NDManager manager) {
        NDArray picture = Randomness.normal(manager, 2, new Shape(1, 3, 32, 64));
        NDArray latents = Randomness.normal(manager, 1, new Shape(2, 4, 8, 16));
        TextEmbedding text = model.prompts().encode(manager, List.of("a photo of a cat", "Naïve café, 猫!"));
        Conditioning told = model.conditioning(
                text,
                List.of(
                        PictureSizesBuilder.builder()
                                .originalHeight(128)
                                .originalWidth(64)
                                .top(0)
                                .left(0)
                                .height(64)
                                .width(128)
                                .build(),
                        PictureSizesBuilder.builder()
                                .originalHeight(64)
                                .originalWidth(64)
                                .top(1)
                                .left(2)
                                .height(64)
                                .width(64)
                                .build()),
                manager);
        NDArray noise =
                model.unet().forward(latents, manager.create(new float[] {3, 731}), told, ProjectionDeltas.NONE);
        return Map.of(
                "text",
                text.context().toFloatArray(),
                "noise",
                noise.toFloatArray(),
                "deviations",
                model.vae().encode(picture).std().toFloatArray(),
                "picture",
                model.vae().decode(latents).toFloatArray());
    }

    private float[] text(Path file) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                StableDiffusion model = StableDiffusion.open(file, manager);
                TextEmbedding text = model.prompts().encode(manager, List.of("a cat"))) {
            return Objects.requireNonNull(text.pooled()).toFloatArray();
        }
    }

    @Test
    void textEncodersAreReadInTheNamesOfDiffusersScriptToo() throws IOException {
        Path plain = folder.resolve("plain.safetensors");
        SingleGoldens.writeFile("tiny-sdxl", plain);
        String second = "conditioner.embedders.1.model.text_projection";
        String first = "conditioner.embedders.0.transformer.";
        Path renamed = SingleGoldens.changed(folder, "tiny-sdxl", Map.of(), tensors -> {
            tensors.put(
                    second + ".weight",
                    Objects.requireNonNull(tensors.remove(second)).transpose());
            for (String key : List.copyOf(tensors.keySet())) {
                if (key.startsWith(first + "text_model.")) {
                    SingleGoldens.rename(tensors, key, key.replace("text_model.", ""));
                }
            }
        });

        assertThat(text(renamed)).isEqualTo(text(plain));
    }

    @Test
    void markersAndMetadataTellThePrediction() throws IOException {
        assertThat(schedule(Map.of()).prediction()).isEqualTo(Prediction.Epsilon);
        assertThat(schedule(Map.of("modelspec.prediction_type", "epsilon")).prediction())
                .isEqualTo(Prediction.Epsilon);
        assertThat(schedule(Map.of("modelspec.prediction_type", "v")).prediction())
                .isEqualTo(Prediction.V);
        assertThat(schedule(Map.of("modelspec.prediction_type", "v")).zeroTerminalSnr())
                .isFalse();
        assertThat(schedule(Map.of(), "ztsnr").zeroTerminalSnr()).isFalse();
        assertThat(schedule(Map.of("modelspec.prediction_type", "v"), "ztsnr").zeroTerminalSnr())
                .isTrue();

        Schedule marked = schedule(Map.of("modelspec.prediction_type", "epsilon"), "v_pred", "ztsnr");

        assertThat(marked.prediction()).isEqualTo(Prediction.V);
        assertThat(marked.zeroTerminalSnr()).isTrue();
        assertThat(marked.spacing()).isEqualTo(Schedule.Spacing.Trailing);
        assertThatThrownBy(() -> schedule(Map.of("modelspec.prediction_type", "sample")))
                .isInstanceOf(TrainerException.class)
                .hasMessageContaining("must be epsilon or v_prediction, was \"sample\"");
    }

    private static Schedule schedule(Map<String, String> metadata, String... markers) {
        try {
            Map<String, SafeTensors.Entry> header = SingleGoldens.header("tiny-sdxl");
            for (String marker : markers) {
                header.putAll(SingleGoldens.entries(marker + " 0"));
            }
            return ScheduleReader.read(SingleFile.of(SOME, header, metadata).scheduler(), ModelOptions.DEFAULT);
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    @Test
    void autoencoderIsReadInEachLayoutInTheModelsPlace() throws IOException {
        Path base = folder.resolve("base.safetensors");
        SingleGoldens.writeFile("tiny-sd15", base);
        String prefix = "first_stage_model.";
        Path whole = SingleGoldens.changed(folder, "tiny-sd15", Map.of(), t -> {});
        Path[] files = new Path[4];
        files[0] = whole;
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Map<String, NDArray> original = new LinkedHashMap<>();
            Map<String, NDArray> bare = new LinkedHashMap<>();
            SingleGoldens.tensors("tiny-sd15", manager).forEach((key, value) -> {
                if (key.startsWith(prefix)) {
                    original.put(key, value);
                    bare.put(key.substring(prefix.length()), value);
                }
            });
            files[1] = folder.resolve("original.safetensors");
            SafeTensorsWriter.write(files[1], original, Map.of());
            files[2] = folder.resolve("bare.safetensors");
            SafeTensorsWriter.write(files[2], bare, Map.of());
            SingleGoldens.writeFolder("tiny-sd15", folder.resolve("folder"));
            files[3] = folder.resolve("folder/vae/diffusion_pytorch_model.safetensors");

            NDArray latents = Randomness.normal(manager, 1, new Shape(1, 4, 4, 6));
            for (Path file : files) {
                try (StableDiffusion model = StableDiffusion.open(base, manager);
                        StableDiffusion replaced = StableDiffusion.open(base, vae(file), manager)) {
                    assertThat(replaced.vae().decode(latents).toFloatArray())
                            .as(file.toString())
                            .isEqualTo(model.vae().decode(latents).toFloatArray());
                    assertThat(ModelDigest.of(base, file, FileDigests.computed()))
                            .isNotEqualTo(ModelDigest.of(base, null, FileDigests.computed()));
                }
            }
        }
    }

    private static ModelOptions vae(Path file) {
        return ModelOptions.DEFAULT.withVae(file);
    }

    @Test
    void textsAreReadByClipsOwnTokenizer() throws IOException {
        JsonNode golden =
                Json.MAPPER.readTree(SingleGoldens.FOLDER.resolve("tokens.json").toFile());
        assertThat(golden.size()).isGreaterThan(5);
        try (Tokenizer first = Tokenizer.clip(false);
                Tokenizer second = Tokenizer.clip(true)) {
            golden.fields().forEachRemaining(text -> {
                long[] ids = Json.MAPPER.convertValue(text.getValue(), long[].class);
                assertThat(first.encode(text.getKey()).ids()).as(text.getKey()).isEqualTo(ids);

                long[] zeros = ids.clone();
                int end = Arrays.stream(ids).boxed().toList().indexOf(49407L);
                Arrays.fill(zeros, end + 1, zeros.length, 0);
                assertThat(second.encode(text.getKey()).ids()).as(text.getKey()).isEqualTo(zeros);
            });
        }
    }
}
