package training.lora.trainer.model.text;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import training.lora.trainer.model.layer.kernel.Snippets;
import training.lora.trainer.model.weights.Config;
import training.lora.trainer.model.weights.ModelFiles;
import training.lora.trainer.model.weights.Parameter;
import training.lora.trainer.model.weights.ParameterSet;
import training.lora.trainer.tensor.SafeTensors;
import training.lora.trainer.tensor.TorchScript;

/** CLIP with both towers (Radford et al. 2021), CLIPModel of transformers: unit vectors of pictures and of texts. */
public final class Clip implements AutoCloseable {
    /** OpenAI's normalisation of pixels. */
    private static final float[] MEAN = {0.48145466f, 0.4578275f, 0.40821073f};

    private static final float[] STD = {0.26862954f, 0.26130258f, 0.27577711f};

    private final NDManager manager;
    private final Tokenizer tokenizer;
    private final ParameterSet parameters;
    private final TextTower text;
    private final Parameter textProjection;
    private final int imageSize;
    private final List<Parameter> patchWeights;
    private final ClipLayers vision;
    private final List<Parameter> poolWeights;
    private final TorchScript patches;
    private final TorchScript poolImage;
    private final TorchScript poolText;

    private Clip(Path folder, NDManager manager) {
        this.manager = manager;
        this.parameters = new ParameterSet(manager.getDevice());
        Config config = Config.read(folder.resolve("config.json"));
        config.mustBe("model_type", "clip");
        Config v = config.child("vision_config");
        Config t = config.child("text_config");
        long projection = config.integer("projection_dim");
        text = new TextTower(parameters, "", t);
        textProjection = parameters.declare("text_projection.weight", projection, t.integer("hidden_size"));
        long width = v.integer("hidden_size");
        int patch = v.integer("patch_size");
        imageSize = v.integer("image_size");
        long count = (long) (imageSize / patch) * (imageSize / patch) + 1;
        String embeddings = "vision_model.embeddings.";
        patchWeights = new ArrayList<>(List.of(
                parameters.declare(embeddings + "patch_embedding.weight", width, 3, patch, patch),
                parameters.declare(embeddings + "class_embedding", width),
                parameters.declare(embeddings + "position_embedding.weight", count, width)));
        // Transformers' own spelling.
        patchWeights.addAll(List.of(parameters.withBias("vision_model.pre_layrnorm", width)));
        vision = new ClipLayers(parameters, "vision_model.encoder.layers", "", v, false);
        poolWeights = new ArrayList<>(List.of(parameters.withBias("vision_model.post_layernorm", width)));
        poolWeights.add(parameters.declare("visual_projection.weight", projection, width));
        double eps = v.number("layer_norm_eps", 1e-5);
        patches = TorchScript.compile("x, w, c, p, nw, nb", """
                e = torch.transpose(torch.flatten(torch.conv2d(x, w, None, [%1$d, %1$d], [0, 0], [1, 1], 1), 2), 1, 2)
                k = torch.expand(torch.reshape(c, [1, 1, %2$d]), [torch.size(x, 0), 1, %2$d])
                return torch.layer_norm(torch.add(torch.cat([k, e], 1), p), [%2$d], nw, nb, %3$s)
                """.formatted(patch, width, eps));
        poolImage = TorchScript.compile("x, nw, nb, w", """
                e = torch.linear(torch.layer_norm(torch.select(x, 1, 0), [%d], nw, nb, %s), w)
                return torch.div(e, torch.norm(e, 2, [-1], True))
                """.formatted(width, eps));
        poolText = TorchScript.compile("x, at, w", """
                e = torch.linear(torch.index(x, [%s, at]), w)
                return torch.div(e, torch.norm(e, 2, [-1], True))
                """.formatted(Snippets.rows("x")));
        tokenizer = Tokenizer.open(folder);
        try (SafeTensors file = ModelFiles.weights(folder, "model")) {
            parameters.load(file, name -> file.entries().containsKey(name) ? name : null, manager);
        }
    }

    /** Reads config.json, the weights and the tokenizer of {@code folder}. */
    public static Clip open(Path folder, NDManager parent) {
        return new Clip(folder, parent.newSubManager());
    }

    /** The weights of both towers. */
    List<Parameter> parameters() {
        return parameters.all();
    }

    /** Side in pixels of the square pictures that it sees. */
    public int imageSize() {
        return imageSize;
    }

    /** Unit vectors (B, D) of {@code pictures} (B, 3, S, S) in [0, 1], S the {@link #imageSize}. */
    public NDArray embedImages(NDArray pictures) {
        NDManager scope = pictures.getManager();
        try (NDManager inner = scope.newSubManager()) {
            NDArray mean = inner.create(MEAN, new Shape(1, 3, 1, 1));
            NDArray std = inner.create(STD, new Shape(1, 3, 1, 1));
            NDArray pixels = pictures.sub(mean).div(std);
            NDArray x = patches.call(
                    inner,
                    pixels,
                    patchWeights.get(0).array(),
                    patchWeights.get(1).array(),
                    patchWeights.get(2).array(),
                    patchWeights.get(3).array(),
                    patchWeights.get(4).array());
            NDArray h = vision.forward(inner, x);
            pixels.close();
            return poolImage.call(
                    scope,
                    h,
                    poolWeights.get(0).array(),
                    poolWeights.get(1).array(),
                    poolWeights.get(2).array());
        }
    }

    /** Unit vectors (B, D) of {@code texts}, pooled at the first end token. */
    public NDArray embedTexts(NDManager scope, List<String> texts) {
        List<Tokens> tokens = tokenizer.encode(texts);
        try (NDManager inner = scope.newSubManager()) {
            NDArray h = text.forward(inner, TextEncoder.ids(inner, tokens));
            long[] at =
                    tokens.stream().mapToLong(t -> t.firstOf(tokenizer.end())).toArray();
            return poolText.call(scope, h, inner.create(at), textProjection.array());
        }
    }

    @Override
    public void close() {
        tokenizer.close();
        manager.close();
    }
}
