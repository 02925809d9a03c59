package training.lora.trainer.adapter;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.layer.Delta;
import training.lora.trainer.model.layer.FrozenWeights;
import training.lora.trainer.model.layer.Projection;

/** A kind of adapter as it stands beside one module: its tensors, their shapes and first values, and what they do. */
public sealed interface AdapterKind permits Lora, Dora, Loha, Lokr, FullDifference {
    /** Its name, for a sentence. */
    String name();

    /** Rank of its products. */
    int rank();

    /** The scale times the rank, or times its root if it is rank-stabilized. */
    double alpha();

    /** Whether the scale is alpha / sqrt(rank) (Kalajdzievski 2023), not alpha / rank. */
    boolean rankStabilized();

    /** What a product is multiplied by. */
    default double scale() {
        return alpha() / (rankStabilized() ? Math.sqrt(rank()) : rank());
    }

    /** The alpha that gives the scale where it is divided by the rank, whether it is rank-stabilized or not. */
    default double foldedAlpha() {
        return rankStabilized() ? alpha() * Math.sqrt(rank()) : alpha();
    }

    /** The same without rank stabilization, as kohya's files have it. */
    AdapterKind folded();

    /** The same as it is trained, where files may have it otherwise. */
    default AdapterKind trained() {
        return this;
    }

    /** The tensors that are trained, in the order in which they lie in an adapter's array. */
    List<AdapterPart> parts();

    /** Shape of a part beside {@code projection} as networks take it. */
    Shape shape(AdapterPart part, Projection projection);

    /** Shape of a part beside {@code projection} as files have it, of the same size. */
    Shape fileShape(AdapterPart part, Projection projection);

    /**
     * Refuses parts that do not belong together.
     *
     * @param path of the module
     * @param shapes as the file has them
     * @throws IllegalArgumentException if they are no adapter of this kind
     */
    void check(String path, Map<AdapterPart, Shape> shapes);

    /** Features that a module maps from, or channels times the kernel's area, by the shapes that its file has. */
    long fanIn(Map<AdapterPart, Shape> shapes);

    /** Features or channels that a module maps to, by the shapes that its file has. */
    long out(Map<AdapterPart, Shape> shapes);

    /** Whether a training of this kind can begin with an adapter of kind {@code from}. */
    boolean goesOnFrom(AdapterKind from);

    /**
     * Why this has no place for what {@code from}, of a kind that it {@link #goesOnFrom}, holds; null if it has. It is a
     * sentence in which %s stands for the module.
     */
    default @Nullable String problemWith(AdapterKind from) {
        return rank() >= from.rank()
                ? null
                : "`spec.training.adapter.rank` must be at least that of `spec.training.initFrom`, %d at %%s, was %d"
                        .formatted(from.rank(), rank());
    }

    /**
     * First values, each part in as many numbers as its shape has.
     *
     * @param from values that it begins with, whose rank is not higher; null for a new one, which changes nothing yet
     * @param seed what is drawn follows from it and the projection's path
     * @param weights what it may depend on; null where it depends on none
     * @param scope on the CPU
     */
    Map<AdapterPart, NDArray> initial(
            Projection projection,
            LoraAdapter.@Nullable Factors from,
            long seed,
            @Nullable FrozenWeights weights,
            NDManager scope);

    /** The values of {@code from}, which is of this kind, as they are trained. */
    default Map<AdapterPart, NDArray> given(
            Projection projection, LoraAdapter.Factors from, @Nullable FrozenWeights weights, NDManager scope) {
        Map<AdapterPart, NDArray> values = new EnumMap<>(AdapterPart.class);
        parts().forEach(part -> values.put(part, from.value(part).in(scope)));
        return values;
    }

    /** What it wants of the frozen weights at each pass; the arrays belong to {@code manager}. */
    default List<NDArray> constants(Projection projection, @Nullable FrozenWeights weights, NDManager manager) {
        return List.of();
    }

    /**
     * What it adds to its projection.
     *
     * @param arrays the parts
     * @param gradients what theirs are added to; empty where nothing is trained
     * @param constants as {@link #constants} gives them
     * @param dropout share of the entries of the projection's input that a recorded pass hides from it
     */
    Delta delta(List<NDArray> arrays, List<NDArray> gradients, List<NDArray> constants, double dropout);

    /** The square of the Frobenius norm of its product, scale left out, in fp64, without dimensions, in {@code scope}. */
    NDArray productSquare(NDManager scope, Map<AdapterPart, NDArray> parts);

    /** The square of the Frobenius norm of what {@code delta} adds to the weight, in fp64, without dimensions. */
    NDArray changeSquare(Projection projection, Delta delta, @Nullable FrozenWeights weights, NDManager scope);

    /**
     * What it adds to a weight, (out, fan in), in {@code parts}' manager.
     *
     * @param parts as rows, fp32, on the CPU
     * @param weight the frozen weight as rows, fp32, on the CPU
     */
    NDArray change(Map<AdapterPart, NDArray> parts, NDArray weight);
}
