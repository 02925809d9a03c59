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
 * LoRA (Hu et al. 2021): y = W x + s B A x, s = alpha / rank or, rank-stabilized, alpha / sqrt(rank). A is (rank, in) or,
 * beside a convolution, (rank, in, k, k), B (out, rank) or (out, rank, 1, 1).
 */
public record Lora(int rank, double alpha, boolean rankStabilized) implements AdapterKind {
    private static final List<AdapterPart> PARTS = List.of(AdapterPart.Down, AdapterPart.Up);

    @Override
    public String name() {
        return "LoRA";
    }

    @Override
    public Lora folded() {
        return new Lora(rank, foldedAlpha(), false);
    }

    @Override
    public List<AdapterPart> parts() {
        return PARTS;
    }

    @Override
    public Shape shape(AdapterPart part, Projection projection) {
        return switch (part) {
            case Down -> new Shape(rank, projection.fanIn());
            case Up -> new Shape(projection.out(), rank);
            default -> throw new IllegalArgumentException(part + " is no array of a LoRA");
        };
    }

    @Override
    public Shape fileShape(AdapterPart part, Projection projection) {
        return switch (part) {
            case Down -> projection.downShape(rank);
            case Up -> projection.upShape(rank);
            default -> throw new IllegalArgumentException(part + " is no array of a LoRA");
        };
    }

    @Override
    public void check(String path, Map<AdapterPart, Shape> shapes) {
        Shape down = Objects.requireNonNull(shapes.get(AdapterPart.Down));
        Shape up = Objects.requireNonNull(shapes.get(AdapterPart.Up));
        if (down.dimension() < 2 || up.dimension() != down.dimension() || up.get(1) != down.get(0) || up.get(1) == 0) {
            throw new IllegalArgumentException(
                    "%s must have factors of one rank, at least 1, but their shapes are %s and %s"
                            .formatted(path, down, up));
        }
    }

    @Override
    public long fanIn(Map<AdapterPart, Shape> shapes) {
        return Objects.requireNonNull(shapes.get(AdapterPart.Down)).size() / rank;
    }

    @Override
    public long out(Map<AdapterPart, Shape> shapes) {
        return Objects.requireNonNull(shapes.get(AdapterPart.Up)).size() / rank;
    }

    @Override
    public boolean goesOnFrom(AdapterKind from) {
        return from instanceof Lora;
    }

    /** A is drawn from N(0, 1/rank^2) as peft's "gaussian", B zero; {@code from} fills its first rows and columns. */
    @Override
    public Map<AdapterPart, NDArray> initial(
            Projection projection,
            LoraAdapter.@Nullable Factors from,
            long seed,
            @Nullable FrozenWeights weights,
            NDManager scope) {
        NDArray down = Randomness.normal(
                        scope,
                        Randomness.derive(seed, 0, "lora/" + projection.path()),
                        shape(AdapterPart.Down, projection))
                .muli(1.0 / rank);
        long out = projection.out();
        if (from == null) {
            return Map.of(AdapterPart.Down, down, AdapterPart.Up, scope.zeros(new Shape(out, rank)));
        }
        int given = from.rank();
        double factor = from.alpha() / from.rank() * rank / foldedAlpha();
        NDArray firstRows = from.down().in(scope).reshape(given, projection.fanIn());
        NDArray up = from.up().as(DataType.FLOAT64).in(scope).mul(factor).toType(DataType.FLOAT32, false);
        NDArray firstColumns = up.reshape(out, given);
        return given == rank
                ? Map.of(AdapterPart.Down, firstRows, AdapterPart.Up, firstColumns)
                : Map.of(
                        AdapterPart.Down,
                        firstRows.concat(down.get(given + ":"), 0),
                        AdapterPart.Up,
                        firstColumns.concat(scope.zeros(new Shape(out, rank - given)), 1));
    }

    @Override
    public Delta.LowRank delta(List<NDArray> arrays, List<NDArray> gradients, List<NDArray> constants, double dropout) {
        return new Delta.LowRank(arrays.get(0), arrays.get(1), scale(), dropout, gradients);
    }

    @Override
    public NDArray productSquare(NDManager scope, Map<AdapterPart, NDArray> parts) {
        return ProductNorm.square(
                scope,
                Objects.requireNonNull(parts.get(AdapterPart.Down)),
                Objects.requireNonNull(parts.get(AdapterPart.Up)));
    }

    @Override
    public NDArray changeSquare(Projection projection, Delta delta, @Nullable FrozenWeights weights, NDManager scope) {
        Delta.LowRank own = (Delta.LowRank) delta;
        return ProductNorm.square(scope, own.down(), own.up()).mul(own.scale() * own.scale());
    }

    @Override
    public NDArray change(Map<AdapterPart, NDArray> parts, NDArray weight) {
        return Objects.requireNonNull(parts.get(AdapterPart.Up))
                .matMul(Objects.requireNonNull(parts.get(AdapterPart.Down)))
                .mul(scale());
    }
}
