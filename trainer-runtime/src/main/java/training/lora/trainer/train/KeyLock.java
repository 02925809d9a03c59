package training.lora.trainer.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.adapter.AdaptedProjection;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.TokenEmbeddings;
import training.lora.trainer.model.PromptEncoder;
import training.lora.trainer.model.layer.Delta;
import training.lora.trainer.model.layer.FrozenWeights;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.tensor.TorchScript;

/**
 * Locks the keys of concepts to those of their classes (Perfusion, Tewel et al. 2023). What text encoders make of a concept's token
 * is i (D), of its class in its place s (D), the frozen map of a cross-attention's keys W (out, D), and C (D, D) the uncentered
 * covariance of what text encoders make of texts. The paper's edit sends i to the key o = W s:
 * h = W e - sim (W i) + g(sim) o with sim = i^T C^-1 e / (i^T C^-1 i) and a sigmoid g as its gate. Here g(sim) is sim, with which the
 * edit is linear, a matrix of rank 1 that changes all other keys as little as can be:
 * W' = W + (W s - W i) (i^T C^-1 i)^-1 i^T C^-1. Of several concepts the i and s are the columns of I and S, and
 * W' = W + W (S - I) (I^T C^-1 I)^-1 I^T C^-1, which sends each i to its own key.
 *
 * <p>It stands in the adapter's array as a LoRA beside W, A = (I^T C^-1 I)^-1 I^T C^-1 and B = W (S - I), and is made anew after each
 * step, of what the tokens are by then. i and s are means over some short texts.
 */
final class KeyLock implements AutoCloseable {
    /** What is said of a concept and of its class, which stand at the end. */
    private static final List<String> PROMPTS = List.of("%s", "a picture of %s", "a drawing of %s", "the %s");

    private static final List<String> MANNERS = List.of(
            "a photo of a %s",
            "a picture of a %s",
            "a painting of a %s",
            "a drawing of my %s",
            "an image of the %s",
            "a close-up of a %s",
            "%s");

    private static final List<String> THINGS = List.of(
            "man",
            "woman",
            "child",
            "dog",
            "cat",
            "bird",
            "horse",
            "fish",
            "car",
            "train",
            "boat",
            "house",
            "street",
            "tree",
            "flower",
            "mountain",
            "river",
            "table",
            "chair",
            "cup",
            "book",
            "shoe",
            "robot",
            "face",
            "apple");

    private static final List<String> PLACES = List.of(
            "",
            " in the rain",
            " on a beach at sunset",
            " in front of a red wall",
            ", highly detailed",
            " at night",
            " in the style of a cartoon",
            " with a blue hat",
            " in a small kitchen",
            " next to a window in the snow",
            ", black and white");

    /** Texts whose encodings C is of. */
    private static final int TEXTS = 128;

    private static final int AT_ONCE = 8;

    /** What is added to the diagonal of a matrix before it is inverted, as a share of the diagonal's mean. */
    private static final double RIDGE = 1e-4;

    /** The same of concepts, of which two may begin alike. */
    private static final double LEAST_RIDGE = 1e-6;

    /** Adds the products of the encodings x (B, S, D) to c (D, D), fp64. */
    private static final TorchScript COVARIANCE = TorchScript.compile("c, x", """
            r = torch.to(torch.reshape(x, [-1, torch.size(x, 2)]), 7)
            return torch.add_(c, torch.mm(torch.t(r), r))
            """);

    private static final TorchScript INVERSE = TorchScript.compile("c", """
            d = torch.diagonal(c)
            r = torch.diag(torch.mul(torch.ones_like(d), torch.mul(torch.mean(d), %s)))
            return torch.to(torch.inverse(torch.add(c, r)), 6)
            """.formatted(RIDGE));

    /** A (c, D) of the concepts' encodings i (c, D) and C^-1 v (D, D). */
    private static final TorchScript DOWN = TorchScript.compile("i, v", """
            u = torch.to(torch.mm(i, v), 7)
            e = torch.mm(u, torch.t(torch.to(i, 7)))
            d = torch.diagonal(e)
            r = torch.diag(torch.mul(torch.ones_like(d), torch.mul(torch.mean(d), %s)))
            return torch.to(torch.mm(torch.inverse(torch.add(e, r)), u), 6)
            """.formatted(LEAST_RIDGE));

    /** B (out, c) of a weight w (out, D), the classes' encodings s (c, D) and the concepts' i (c, D). */
    private static final TorchScript UP =
            TorchScript.compile("w, s, i", "return torch.mm(torch.to(w, 6), torch.t(torch.sub(s, i)))");

    private static final TorchScript SET = TorchScript.compile("a, b", "return torch.copy_(a, b)");

    private static final TorchScript ZERO = TorchScript.compile("a", "return torch.zero_(a)");

    private final PromptEncoder prompts;
    private final FrozenWeights weights;
    private final LoraAdapter adapter;
    private final List<String> triggers;
    private final List<Projection> keys;
    private final NDArray inverse;
    private final NDArray classes;
    private final NDManager manager;

    /**
     * Of an adapter whose keys of cross-attentions have a LoRA of as many ranks as there are concepts.
     *
     * @param weights of the denoiser
     * @param nouns what each concept is, by its trigger
     */
    KeyLock(
            PromptEncoder prompts,
            FrozenWeights weights,
            LoraAdapter adapter,
            Map<String, String> nouns,
            NDManager parent) {
        this.prompts = prompts;
        this.weights = weights;
        this.adapter = adapter;
        this.manager = parent.newSubManager();
        this.keys = adapter.projections().stream()
                .map(AdaptedProjection::projection)
                .filter(Projection::makesKeysOfText)
                .toList();
        this.triggers = Objects.requireNonNull(adapter.tokens()).words().stream()
                .map(TokenEmbeddings.Word::text)
                .toList();
        try (NDManager scope = manager.newSubManager()) {
            List<String> of = triggers.stream()
                    .map(trigger -> Objects.requireNonNull(nouns.get(trigger), trigger))
                    .toList();
            this.classes = encodings(of, false, ProjectionDeltas.NONE, scope);
            classes.attach(manager);
            this.inverse = inverse(prompts, manager);
        }
        apply();
    }

    /** Texts of all kinds: each thing in another manner and place. */
    static List<String> texts() {
        List<String> texts = new ArrayList<>();
        for (int i = 0; i < TEXTS; i++) {
            String manner = MANNERS.get(i % MANNERS.size());
            texts.add(manner.replace("%s", THINGS.get(i % THINGS.size())) + PLACES.get(i % PLACES.size()));
        }
        return texts;
    }

    private static NDArray inverse(PromptEncoder prompts, NDManager manager) {
        List<String> texts = texts();
        try (NDManager scope = manager.newSubManager()) {
            NDArray covariance = null;
            for (int i = 0; i < texts.size(); i += AT_ONCE) {
                try (NDManager some = scope.newSubManager()) {
                    NDArray encoded = prompts.encode(some, texts.subList(i, Math.min(i + AT_ONCE, texts.size())))
                            .context();
                    if (covariance == null) {
                        long width = encoded.getShape().get(2);
                        covariance = scope.zeros(new Shape(width, width), DataType.FLOAT64);
                    }
                    COVARIANCE.call(some, covariance, encoded);
                }
            }
            return inverse(Objects.requireNonNull(covariance), manager);
        }
    }

    /** C^-1 of C (D, D), fp64, times any number. */
    static NDArray inverse(NDArray covariance, NDManager manager) {
        return INVERSE.call(manager, covariance);
    }

    /**
     * A (c, D) of the lock, in {@code scope}.
     *
     * @param own i of each concept, (c, D)
     * @param inverse C^-1, (D, D)
     */
    static NDArray down(NDArray own, NDArray inverse, NDManager scope) {
        return DOWN.call(scope, own, inverse);
    }

    /** B (out, c) of the lock beside {@code weight} (out, D), in {@code scope}; {@code classes} has s of each concept, (c, D). */
    static NDArray up(NDArray weight, NDArray classes, NDArray own, NDManager scope) {
        return UP.call(scope, weight, classes, own);
    }

    /**
     * The mean of what text encoders make of each of {@code words}, (n, D).
     *
     * @param added whether a word is one added token; of others the last token counts, which knows those before it
     */
    private NDArray encodings(List<String> words, boolean added, ProjectionDeltas deltas, NDManager scope) {
        NDList means = new NDList();
        for (String word : words) {
            List<String> texts =
                    PROMPTS.stream().map(prompt -> prompt.replace("%s", word)).toList();
            NDArray context = prompts.encode(scope, texts, deltas).context();
            NDList each = new NDList();
            for (int i = 0; i < texts.size(); i++) {
                // The begin stands at 0.
                int place = added
                        ? 1 + prompts.tokens(PROMPTS.get(i).replace("%s", "").strip())
                        : prompts.tokens(texts.get(i));
                each.add(context.get(scope, new NDIndex("%d, %d".formatted(i, place))));
            }
            NDArray all = NDArrays.stack(each);
            all.attach(scope);
            NDArray mean = all.mean(new int[] {0});
            mean.attach(scope);
            means.add(mean);
        }
        NDArray stacked = NDArrays.stack(means);
        stacked.attach(scope);
        return stacked;
    }

    /** Takes back what backward passes have added to the lock's gradients, for it is not trained. */
    void clear(NDManager scope) {
        ProjectionDeltas bound = adapter.bind(scope);
        for (Projection key : keys) {
            lock(bound, key).gradients().forEach(gradient -> ZERO.call(scope, gradient));
        }
    }

    /** Makes the lock of what the tokens are now. */
    void apply() {
        try (NDManager scope = manager.newSubManager()) {
            ProjectionDeltas bound = adapter.bind(scope);
            NDArray own = encodings(triggers, true, bound, scope);
            NDArray down = down(own, inverse, scope);
            for (Projection key : keys) {
                try (NDManager some = scope.newSubManager()) {
                    Delta.LowRank lock = lock(bound, key);
                    SET.call(some, lock.down(), down);
                    SET.call(some, lock.up(), up(weights.of(key, some), classes, own, some));
                }
            }
        }
    }

    private static Delta.LowRank lock(ProjectionDeltas bound, Projection key) {
        @Nullable Delta delta = bound.byPath().get(key.path());
        return (Delta.LowRank) Objects.requireNonNull(delta, key.path());
    }

    @Override
    public void close() {
        manager.close();
    }
}
