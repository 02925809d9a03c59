package training.lora.trainer.model.text;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.training.GradientCollector;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.trainer.Goldens;
import training.lora.trainer.model.basemodel.FolderPart;
import training.lora.trainer.model.basemodel.Part;
import training.lora.trainer.model.weights.Config;
import training.lora.trainer.model.weights.ModelFiles;
import training.lora.trainer.model.weights.Parameter;
import training.lora.trainer.model.weights.ParameterSet;
import training.lora.trainer.tensor.SafeTensors;
import training.lora.trainer.tensor.TorchScript;

/** CLIP's towers against transformers: what comes out, and the gradient of every weight. */
class ClipGoldensTest {
    private static final List<String> TEXTS = List.of("a cat", "two dogs in the fog");

    @ParameterizedTest
    @ValueSource(strings = {"clip-text-a", "clip-text-bb"})
    void textTowerHasTransformersOutputAndGradients(String name) {
        ParameterSet parameters = new ParameterSet(Device.cpu());
        TextTower tower = new TextTower(
                parameters, "", Config.read(Goldens.FOLDER.resolve(name).resolve("config.json")));
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                Goldens golden = new Goldens(name, manager);
                SafeTensors weights = ModelFiles.weights(Goldens.FOLDER.resolve(name), "model")) {
            new FolderPart(Goldens.FOLDER.resolve(name), Part.TextEncoder).load(parameters, manager);
            parameters.all().forEach(p -> p.array().setRequiresGradient(true));
            try (GradientCollector collector = Engine.getInstance().newGradientCollector()) {
                NDArray y = tower.forward(manager, golden.get("ids").toType(DataType.INT64, true));
                golden.assertMatches(y, "output");
                TorchScript.backward(y.sub(golden.get("target")).square().mean());
            }
            for (Parameter p : parameters.all()) {
                String key = weights.entries().containsKey(p.name())
                        ? p.name()
                        : p.name().replace("text_model.", "");
                assertGradient(p, "grad." + key, golden);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"clip-a", "clip-bb"})
    void bothTowersHaveTransformersEmbeddingsAndGradients(String name) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                Goldens golden = new Goldens(name, manager);
                Clip clip = Clip.open(Goldens.FOLDER.resolve(name), manager)) {
            NDArray pictures = golden.get("pictures");
            pictures.setRequiresGradient(true);
            clip.parameters().forEach(p -> p.array().setRequiresGradient(true));
            try (GradientCollector collector = Engine.getInstance().newGradientCollector()) {
                NDArray images = clip.embedImages(pictures);
                NDArray texts = clip.embedTexts(manager, TEXTS);
                golden.assertMatches(images, "images");
                golden.assertMatches(texts, "texts");
                NDArray loss = images.mul(golden.get("weights.images"))
                        .sum()
                        .add(texts.mul(golden.get("weights.texts")).sum());
                TorchScript.backward(loss);
            }
            golden.assertMatches(pictures.getGradient(), "grad.pictures");
            for (Parameter p : clip.parameters()) {
                assertGradient(p, "grad." + p.name(), golden);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"clip-a", "clip-bb"})
    void vocabularyAndMergesReadAsTransformersReadsThem(String name) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                Goldens golden = new Goldens(name, manager);
                Tokenizer tokenizer = Tokenizer.open(Goldens.FOLDER.resolve(name))) {
            NDArray ids = TextEncoder.ids(manager, tokenizer.encode(TEXTS));

            assertThat(ids.toType(DataType.FLOAT32, false).toFloatArray())
                    .containsExactly(golden.get("ids").toFloatArray());
        }
    }

    /** A key's bias moves no attention: its gradient is rounding alone, so that the others' size is its measure. */
    private static void assertGradient(Parameter p, String key, Goldens golden) {
        NDArray gradient = p.array().getGradient();
        if (key.endsWith("k_proj.bias")) {
            double scale =
                    golden.get(key.replace("k_proj", "v_proj")).abs().max().getFloat();
            assertThat((double) gradient.abs().max().getFloat()).as(key).isLessThan(1e-4 * scale);
            assertThat((double) golden.get(key).abs().max().getFloat()).as(key).isLessThan(1e-4 * scale);
        } else {
            golden.assertMatches(gradient, key);
        }
    }
}
