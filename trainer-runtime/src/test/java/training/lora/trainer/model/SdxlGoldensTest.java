package training.lora.trainer.model;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDManager;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import training.lora.api.ModelFamily;
import training.lora.trainer.Goldens;
import training.lora.trainer.model.basemodel.ModelOptions;
import training.lora.trainer.model.text.TextEmbedding;
import training.lora.trainer.model.text.Tokenizer;
import training.lora.trainer.model.unet.PictureSizes;
import training.lora.trainer.model.unet.PictureSizesBuilder;

/** Text encoders against diffusers on a random tiny SDXL; the goldens are made by src/test/goldens/sdxl_goldens.py. */
class SdxlGoldensTest {
    private static final Path MODEL = Goldens.FOLDER.resolve("sdxl");
    private static final List<String> TEXTS = List.of("a cat", "two dogs in fog", "");

    @Test
    void bothEncodersTextsAreThoseOfDiffusers() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                Goldens golden = new Goldens("sdxl", manager);
                StableDiffusion model = StableDiffusion.open(MODEL, manager);
                TextEmbedding embedding = model.prompts().encode(manager, TEXTS)) {
            assertThat(model.family()).isEqualTo(ModelFamily.SDXL);
            golden.assertMatches(embedding.context(), "context");
            golden.assertMatches(java.util.Objects.requireNonNull(embedding.pooled()), "pooled");
        }
    }

    private static ModelOptions reading(int maxTokens, int clipSkip) {
        return ModelOptions.DEFAULT.withTexts(maxTokens, clipSkip);
    }

    @Test
    void skippedLayersAreThoseOfDiffusers() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                Goldens golden = new Goldens("sdxl", manager);
                StableDiffusion model = StableDiffusion.open(MODEL, reading(75, 1), manager);
                TextEmbedding embedding = model.prompts().encode(manager, TEXTS)) {
            golden.assertMatches(embedding.context(), "context.skip1");
            golden.assertMatches(java.util.Objects.requireNonNull(embedding.pooled()), "pooled");
        }
    }

    @Test
    void chunksOfALongTextAreThoseOfKohya() {
        List<String> texts = List.of("two dogs in fog and a cat on it", "a cat");
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                Goldens golden = new Goldens("sdxl/chunks", manager);
                StableDiffusion model = StableDiffusion.open(MODEL, reading(225, 0), manager);
                TextEmbedding embedding = model.prompts().encode(manager, texts)) {
            golden.assertMatches(embedding.context(), "context");
            golden.assertMatches(java.util.Objects.requireNonNull(embedding.pooled()), "pooled");
            assertThat(model.prompts().cuts(texts.get(0))).isFalse();
            assertThat(model.prompts().cuts("a cat ".repeat(22))).isTrue();
        }
    }

    @Test
    void thePaddingOfTheSecondEncoderIsAWordInAText() {
        try (Tokenizer one = Tokenizer.open(MODEL.resolve("tokenizer"));
                Tokenizer two = Tokenizer.open(MODEL.resolve("tokenizer_2"))) {
            long[] text = one.encode("cat!").ids();

            assertThat(text).startsWith(60, 55, 27, 61, 61);
            assertThat(two.encode("cat!").ids()).startsWith(60, 55, 27, 61, 0);
        }
    }

    @Test
    void aTextsEmbeddingDoesNotDependOnWhatStandsBesideIt() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                StableDiffusion model = StableDiffusion.open(MODEL, manager);
                TextEmbedding all = model.prompts().encode(manager, TEXTS);
                TextEmbedding one = model.prompts().encode(manager, TEXTS.subList(1, 2))) {
            Goldens.assertClose(one.context(), all.context().get("1:2"), 1e-5, "context");
            Goldens.assertClose(
                    java.util.Objects.requireNonNull(one.pooled()),
                    java.util.Objects.requireNonNull(all.pooled()).get("1:2"),
                    1e-5,
                    "pooled");
        }
    }

    @Test
    void sizesAreToldInTheOrderOfTheNetworksTraining() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            assertThat(PictureSizes.timeIds(
                                    List.of(
                                            PictureSizesBuilder.builder()
                                                    .originalHeight(600)
                                                    .originalWidth(400)
                                                    .top(30)
                                                    .left(2)
                                                    .height(512)
                                                    .width(448)
                                                    .build(),
                                            PictureSizes.square(64)),
                                    manager)
                            .toFloatArray())
                    .containsExactly(600, 400, 30, 2, 512, 448, 64, 64, 0, 0, 64, 64);
        }
    }
}
