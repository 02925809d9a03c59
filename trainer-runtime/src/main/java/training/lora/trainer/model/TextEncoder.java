package training.lora.trainer.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.tensor.TorchScript;

/** A text encoder of Stable Diffusion, CLIPTextModel or CLIPTextModelWithProjection of transformers. */
public final class TextEncoder implements AutoCloseable {
    /** h (B, S, C) at one place a text, mapped: (B, P). */
    private static final TorchScript POOL = TorchScript.compile(
            "h, at, w", "return torch.linear(torch.index(h, [torch.arange(torch.size(h, 0)), at]), w)");

    private final NDManager manager;
    private final Role role;
    private final TextTower tower;
    private final @Nullable Parameter projection;

    /** What a family takes of an encoder. */
    public enum Role {
        /** Stable Diffusion 1.x: the last layer's output, normed. */
        Only,
        /** SDXL's first: the last layer's input. */
        First,
        /** SDXL's second: the last layer's input; and, normed and projected, its output at the first end token. */
        Second
    }

    private TextEncoder(NDManager manager, Role role, TextTower tower, @Nullable Parameter projection) {
        this.manager = manager;
        this.role = role;
        this.tower = tower;
        this.projection = projection;
    }

    /** Reads {@code folder}/config.json and its weights. */
    public static TextEncoder open(Path folder, Role role, NDManager parent) {
        return open(new FolderPart(folder, Part.TextEncoder), role, parent);
    }

    static TextEncoder open(PartSource source, Role role, NDManager parent) {
        ParameterSet parameters = new ParameterSet();
        Config config = source.config();
        TextTower tower = new TextTower(parameters, config);
        Parameter projection = role == Role.Second
                ? parameters.declare(
                        "text_projection.weight", config.integer("projection_dim"), config.integer("hidden_size"))
                : null;
        NDManager manager = parent.newSubManager();
        source.load(parameters, manager);
        return new TextEncoder(manager, role, tower, projection);
    }

    /**
     * Embeds token sequences of equal length S.
     *
     * @param end the end token's id
     * @param skip layers that are skipped beyond what the role skips
     * @return in {@code scope}; pooled only in the role {@link Role#Second}
     */
    TextEmbedding encode(NDManager scope, List<Tokens> texts, long end, int skip) {
        try (NDManager inner = scope.newSubManager()) {
            NDArray ids = ids(inner, texts);
            if (role == Role.Only) {
                return new TextEmbedding(given(scope, tower.normed(inner, tower.hidden(inner, ids, skip))), null);
            }
            NDArray hidden = tower.hidden(inner, ids, 1 + skip);
            NDArray pooled = null;
            if (role == Role.Second) {
                NDArray last = tower.normed(inner, tower.onward(inner, hidden, 1 + skip));
                NDArray at = inner.create(
                        texts.stream().mapToLong(t -> t.firstOf(end)).toArray());
                pooled = POOL.call(
                        scope, last, at, Objects.requireNonNull(projection).array());
            }
            return new TextEmbedding(given(scope, hidden), pooled);
        }
    }

    private static NDArray given(NDManager scope, NDArray array) {
        array.attach(scope);
        return array;
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
