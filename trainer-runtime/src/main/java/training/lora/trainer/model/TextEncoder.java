package training.lora.trainer.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.file.Path;
import java.util.List;
import training.lora.trainer.tensor.SafeTensors;

/** The text encoder of Stable Diffusion 1.x, CLIPTextModel of transformers: its last hidden state. */
public final class TextEncoder implements AutoCloseable {
    private final NDManager manager;
    private final TextTower tower;

    private TextEncoder(NDManager manager, TextTower tower) {
        this.manager = manager;
        this.tower = tower;
    }

    /** Reads {@code folder}/config.json and its weights. */
    public static TextEncoder open(Path folder, NDManager parent) {
        ParameterSet parameters = new ParameterSet();
        TextTower tower = new TextTower(parameters, Config.read(folder.resolve("config.json")));
        NDManager manager = parent.newSubManager();
        try (SafeTensors file = ModelFiles.weights(folder, "model")) {
            parameters.load(file, name -> ClipStateDictAdapter.find(file, name), manager);
        }
        return new TextEncoder(manager, tower);
    }

    /** Embeds token sequences of equal length S: (B, S, C). */
    public NDArray encode(NDManager scope, List<Tokens> texts) {
        try (NDArray ids = ids(scope, texts)) {
            return tower.forward(scope, ids);
        }
    }

    static NDArray ids(NDManager scope, List<Tokens> texts) {
        int length = texts.get(0).ids().length;
        long[] flat = new long[texts.size() * length];
        for (int i = 0; i < texts.size(); i++) {
            System.arraycopy(texts.get(i).ids(), 0, flat, i * length, length);
        }
        return scope.create(flat, new Shape(texts.size(), length));
    }

    @Override
    public void close() {
        manager.close();
    }
}
