package training.lora.trainer.adapter;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.layer.Delta;
import training.lora.trainer.model.layer.FrozenWeights;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.tensor.Randomness;

/**
 * LoHa (Hyeon-Woo et al. 2022, FedPara), with LyCORIS' names and kohya's first values: dW = s (w1_a w1_b) o (w2_a w2_b), the
 * product of each entry, whose rank can be that of either factor squared. w1_a and w2_a (out, rank); w1_b and w2_b (rank, in),
 * or (rank, in k k) beside a convolution.
 */
public record Loha(int rank, double alpha, boolean rankStabilized) implements AdapterKind {
    private static final List<AdapterPart> PARTS =
            List.of(AdapterPart.HadaW1A, AdapterPart.HadaW1B, AdapterPart.HadaW2A, AdapterPart.HadaW2B);

    /** Standard deviation of w1_a's first values. */
    private static final double LEFT_DEVIATION = 0.1;

    @Override
    public String name() {
        return "LoHa";
    }

    @Override
    public Loha folded() {
        return new Loha(rank, foldedAlpha(), false);
    }

    @Override
    public List<AdapterPart> parts() {
        return PARTS;
    }

    @Override
    public Shape shape(AdapterPart part, Projection projection) {
        return switch (part) {
            case HadaW1A, HadaW2A -> new Shape(projection.out(), rank);
            case HadaW1B, HadaW2B -> new Shape(rank, projection.fanIn());
            default -> throw new IllegalArgumentException(part + " is no array of a LoHa");
        };
    }

    @Override
    public Shape fileShape(AdapterPart part, Projection projection) {
        return shape(part, projection);
    }

    @Override
    public void check(String path, Map<AdapterPart, Shape> shapes) {
        Shape left = shape(shapes, AdapterPart.HadaW1A);
        Shape right = shape(shapes, AdapterPart.HadaW1B);
        if (left.dimension() != 2
                || right.dimension() != 2
                || left.get(1) != right.get(0)
                || right.get(0) == 0
                || !left.equals(shape(shapes, AdapterPart.HadaW2A))
                || !right.equals(shape(shapes, AdapterPart.HadaW2B))) {
            throw new IllegalArgumentException(
                    "%s must have two products of the same shapes and one rank, at least 1, but its factors are %s"
                            .formatted(
                                    path,
                                    PARTS.stream().map(p -> shape(shapes, p)).toList()));
        }
    }

    private static Shape shape(Map<AdapterPart, Shape> shapes, AdapterPart part) {
        return Objects.requireNonNull(shapes.get(part), part::name);
    }

    @Override
    public long fanIn(Map<AdapterPart, Shape> shapes) {
        return shape(shapes, AdapterPart.HadaW1B).get(1);
    }

    @Override
    public long out(Map<AdapterPart, Shape> shapes) {
        return shape(shapes, AdapterPart.HadaW1A).get(0);
    }

    @Override
    public boolean goesOnFrom(AdapterKind from) {
        return from instanceof Loha;
    }

    /**
     * w1_a from N(0, 0.1^2), w1_b and w2_b from N(0, 1), w2_a zero. {@code from} fills the first columns of the left factors
     * and rows of the right ones; what else the left ones have is zero then, so that no product changes.
     */
    @Override
    public Map<AdapterPart, NDArray> initial(
            Projection projection,
            LoraAdapter.@Nullable Factors from,
            long seed,
            @Nullable FrozenWeights weights,
            NDManager scope) {
        NDArray firstRight = drawn(AdapterPart.HadaW1B, projection, seed, scope);
        NDArray secondRight = drawn(AdapterPart.HadaW2B, projection, seed, scope);
        if (from == null) {
            NDArray left = drawn(AdapterPart.HadaW1A, projection, seed, scope).muli(LEFT_DEVIATION);
            return Map.of(
                    AdapterPart.HadaW1A,
                    left,
                    AdapterPart.HadaW1B,
                    firstRight,
                    AdapterPart.HadaW2A,
                    scope.zeros(left.getShape()),
                    AdapterPart.HadaW2B,
                    secondRight);
        }
        double factor = from.kind().scale() / scale();
        NDArray scaled = from.value(AdapterPart.HadaW2A)
                .as(DataType.FLOAT64)
                .in(scope)
                .mul(factor)
                .toType(DataType.FLOAT32, false);
        return Map.of(
                AdapterPart.HadaW1A,
                widened(from.value(AdapterPart.HadaW1A).in(scope)),
                AdapterPart.HadaW1B,
                heightened(from.value(AdapterPart.HadaW1B).in(scope), firstRight),
                AdapterPart.HadaW2A,
                widened(scaled),
                AdapterPart.HadaW2B,
                heightened(from.value(AdapterPart.HadaW2B).in(scope), secondRight));
    }

    private NDArray drawn(AdapterPart part, Projection projection, long seed, NDManager scope) {
        return Randomness.normal(
                scope, Randomness.derive(seed, 0, part + "/" + projection.path()), shape(part, projection));
    }

    private NDArray widened(NDArray left) {
        Shape shape = left.getShape();
        long more = rank - shape.get(1);
        return more == 0 ? left : left.concat(left.getManager().zeros(new Shape(shape.get(0), more)), 1);
    }

    private NDArray heightened(NDArray right, NDArray drawn) {
        long given = right.getShape().get(0);
        return given == rank ? right : right.concat(drawn.get(given + ":"), 0);
    }

    @Override
    public Delta.Hadamard delta(
            List<NDArray> arrays, List<NDArray> gradients, List<NDArray> constants, double dropout) {
        return new Delta.Hadamard(arrays, scale(), gradients);
    }

    @Override
    public NDArray productSquare(NDManager scope, Map<AdapterPart, NDArray> parts) {
        return square(
                scope,
                PARTS.stream()
                        .map(part -> Objects.requireNonNull(parts.get(part)))
                        .toList());
    }

    @Override
    public NDArray changeSquare(Projection projection, Delta delta, @Nullable FrozenWeights weights, NDManager scope) {
        return square(scope, delta.arrays()).mul(scale() * scale());
    }

    private static NDArray square(NDManager scope, List<NDArray> arrays) {
        return ProductNorm.hadamardSquare(scope, arrays.get(0), arrays.get(1), arrays.get(2), arrays.get(3));
    }

    @Override
    public NDArray change(Map<AdapterPart, NDArray> parts, NDArray weight) {
        NDArray first = Objects.requireNonNull(parts.get(AdapterPart.HadaW1A))
                .matMul(Objects.requireNonNull(parts.get(AdapterPart.HadaW1B)));
        NDArray second = Objects.requireNonNull(parts.get(AdapterPart.HadaW2A))
                .matMul(Objects.requireNonNull(parts.get(AdapterPart.HadaW2B)));
        return first.mul(second).mul(scale());
    }
}
