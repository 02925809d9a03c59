package training.lora.trainer.adapter;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.layer.Delta;
import training.lora.trainer.model.layer.FrozenWeights;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.model.layer.kernel.DeltaForm;
import training.lora.trainer.tensor.Randomness;

/**
 * LoKr (Yeh et al. 2023) with LyCORIS' names: dW = s kron(w1, w2), so that dW[l K + k, m N + n] = s w1[l, m] w2[k, n], where
 * out = L K and in = M N. w1 (L, M) and w2 (K, N), or (K, N, k, k) beside a convolution, are each whole or a product of two
 * factors, w1_a (L, r) w1_b (r, M), w2_a (K, r) w2_b (r, N) or (r, N k k).
 *
 * @param firstRank rank of w1's factors, 0 where it is whole
 * @param secondRank rank of w2's factors, 0 where it is whole
 * @param rank what alpha is divided by
 * @param out L and K
 * @param inFirst M
 */
public record Lokr(
        int firstRank, int secondRank, int rank, double alpha, boolean rankStabilized, Split out, long inFirst)
        implements AdapterKind {
    /**
     * A number as a product.
     *
     * @param first its part in w1
     * @param second its part in w2
     */
    public record Split(long first, long second) {
        /**
         * LyCORIS' factorization: {@code factor} and the rest if it divides the number and is not the greater of both, else the
         * most equal pair whose smaller one is not above {@code factor}, which -1 leaves open. The smaller one comes first.
         */
        static Split of(long dimension, long factor) {
            if (factor > 0 && dimension % factor == 0 && dimension >= factor * factor) {
                return new Split(factor, dimension / factor);
            }
            long most = factor < 0 ? dimension : factor;
            long first = 1;
            for (long next = 2; next * next <= dimension && next <= most; next++) {
                if (dimension % next == 0) {
                    first = next;
                }
            }
            return new Split(first, dimension / first);
        }
    }

    /**
     * That of a training, as LyCORIS has it by default: w1 is whole, w2 a product where the rank is below half of its greater
     * side. Where both are whole the scale is 1.
     *
     * @param factor as {@link Split#of} takes it
     */
    static Lokr of(Projection projection, int rank, double alpha, boolean rankStabilized, int factor) {
        Split out = Split.of(projection.out(), factor);
        Split in = Split.of(projection.in(), factor);
        return 2L * rank < Math.max(out.second(), in.second())
                ? new Lokr(0, rank, rank, alpha, rankStabilized, out, in.first())
                : new Lokr(0, 0, rank, rank, false, out, in.first());
    }

    /**
     * That of a file.
     *
     * @param alpha null where the file has none, which is a scale of 1; where both matrices are whole every reader takes that
     */
    public static Lokr of(Map<AdapterPart, Shape> shapes, @Nullable Double alpha) {
        int firstRank = rank(shapes, AdapterPart.LokrW1B);
        int secondRank = rank(shapes, AdapterPart.LokrW2B);
        int named = alpha == null || alpha < 1 ? 1 : (int) (double) alpha;
        int rank = secondRank > 0 ? secondRank : firstRank > 0 ? firstRank : named;
        boolean whole = firstRank == 0 && secondRank == 0;
        return new Lokr(
                firstRank,
                secondRank,
                rank,
                whole || alpha == null ? rank : alpha,
                false,
                new Split(
                        side(shapes, firstRank > 0 ? AdapterPart.LokrW1A : AdapterPart.LokrW1, 0),
                        side(shapes, secondRank > 0 ? AdapterPart.LokrW2A : AdapterPart.LokrW2, 0)),
                side(shapes, firstRank > 0 ? AdapterPart.LokrW1B : AdapterPart.LokrW1, 1));
    }

    private static int rank(Map<AdapterPart, Shape> shapes, AdapterPart right) {
        Shape shape = shapes.get(right);
        return shape == null || shape.dimension() == 0 ? 0 : (int) shape.get(0);
    }

    private static long side(Map<AdapterPart, Shape> shapes, AdapterPart part, int axis) {
        Shape shape = shapes.get(part);
        if (shape == null) {
            throw new IllegalArgumentException("a LoKr must have a " + part + " beside its other matrix");
        }
        return shape.dimension() > axis ? shape.get(axis) : 0;
    }

    @Override
    public String name() {
        return "LoKr";
    }

    @Override
    public Lokr folded() {
        return new Lokr(firstRank, secondRank, rank, foldedAlpha(), false, out, inFirst);
    }

    @Override
    public List<AdapterPart> parts() {
        List<AdapterPart> parts = new ArrayList<>();
        parts.addAll(firstRank == 0 ? List.of(AdapterPart.LokrW1) : List.of(AdapterPart.LokrW1A, AdapterPart.LokrW1B));
        parts.addAll(secondRank == 0 ? List.of(AdapterPart.LokrW2) : List.of(AdapterPart.LokrW2A, AdapterPart.LokrW2B));
        return parts;
    }

    @Override
    public Shape shape(AdapterPart part, Projection projection) {
        long columns = projection.fanIn() / inFirst;
        return switch (part) {
            case LokrW1 -> new Shape(out.first(), inFirst);
            case LokrW1A -> new Shape(out.first(), firstRank);
            case LokrW1B -> new Shape(firstRank, inFirst);
            case LokrW2 -> new Shape(out.second(), columns);
            case LokrW2A -> new Shape(out.second(), secondRank);
            case LokrW2B -> new Shape(secondRank, columns);
            default -> throw new IllegalArgumentException(part + " is no array of a LoKr");
        };
    }

    @Override
    public Shape fileShape(AdapterPart part, Projection projection) {
        return part == AdapterPart.LokrW2 && projection.kernel() > 0
                ? new Shape(out.second(), projection.in() / inFirst, projection.kernel(), projection.kernel())
                : shape(part, projection);
    }

    @Override
    public void check(String path, Map<AdapterPart, Shape> shapes) {
        boolean whole = parts().stream().allMatch(part -> {
            Shape shape = shapes.get(part);
            return shape != null && shape.dimension() >= 2 && shape.size() > 0;
        });
        if (!whole
                || firstRank > 0 && side(shapes, AdapterPart.LokrW1A, 1) != firstRank
                || secondRank > 0 && side(shapes, AdapterPart.LokrW2A, 1) != secondRank) {
            throw new IllegalArgumentException(
                    "%s must have two matrices, each whole or two factors of one rank, but has %s"
                            .formatted(path, shapes));
        }
    }

    @Override
    public long fanIn(Map<AdapterPart, Shape> shapes) {
        Shape second = Objects.requireNonNull(shapes.get(secondRank > 0 ? AdapterPart.LokrW2B : AdapterPart.LokrW2));
        return inFirst * (second.size() / second.get(0));
    }

    @Override
    public long out(Map<AdapterPart, Shape> shapes) {
        return out.first() * out.second();
    }

    @Override
    public boolean goesOnFrom(AdapterKind from) {
        return from instanceof Lokr;
    }

    @Override
    public @Nullable String problemWith(AdapterKind from) {
        Lokr other = (Lokr) from;
        if (other.out.first() != out.first() || other.inFirst != inFirst) {
            return "`spec.training.adapter.factor` must divide modules as `spec.training.initFrom` does, %%s with w1 of %d x %d, but w1 would be %d x %d"
                    .formatted(other.out.first(), other.inFirst, out.first(), inFirst);
        }
        if (secondRank > 0 && other.secondRank == 0) {
            return "`spec.training.adapter.rank` must be half of w2's greater side or more where `spec.training.initFrom` has a whole w2, as at %%s, was %d"
                    .formatted(rank);
        }
        if (secondRank > 0 && other.secondRank > secondRank) {
            return AdapterKind.super.problemWith(from);
        }
        return null;
    }

    /**
     * w1 and w2_a from a uniform distribution as torch's kaiming_uniform_(a = sqrt 5), w2_b or w2 zero. {@code from} is taken as
     * it is where its parts are these; a product is made where this is whole, and factors get more columns and rows.
     */
    @Override
    public Map<AdapterPart, NDArray> initial(
            Projection projection,
            LoraAdapter.@Nullable Factors from,
            long seed,
            @Nullable FrozenWeights weights,
            NDManager scope) {
        Map<AdapterPart, NDArray> values = new EnumMap<>(AdapterPart.class);
        for (AdapterPart part : parts()) {
            Shape shape = shape(part, projection);
            boolean zero = part == AdapterPart.LokrW2 || part == AdapterPart.LokrW2B;
            values.put(part, zero ? scope.zeros(shape) : drawn(part, projection, shape, seed, scope));
        }
        if (from == null) {
            return values;
        }
        Lokr kind = (Lokr) from.kind();
        double factor = kind.scale() / scale();
        values.put(
                AdapterPart.LokrW1,
                kind.firstRank == 0
                        ? rows(from, AdapterPart.LokrW1, scope)
                        : rows(from, AdapterPart.LokrW1A, scope).matMul(rows(from, AdapterPart.LokrW1B, scope)));
        if (kind.secondRank == 0 || secondRank == 0) {
            NDArray whole = kind.secondRank == 0
                    ? rows(from, AdapterPart.LokrW2, scope)
                    : rows(from, AdapterPart.LokrW2A, scope).matMul(rows(from, AdapterPart.LokrW2B, scope));
            values.put(AdapterPart.LokrW2, scaled(whole, factor));
            return values;
        }
        NDArray left = rows(from, AdapterPart.LokrW2A, scope);
        NDArray right = scaled(rows(from, AdapterPart.LokrW2B, scope), factor);
        int given = kind.secondRank;
        if (given < secondRank) {
            left = left.concat(
                    Objects.requireNonNull(values.get(AdapterPart.LokrW2A)).get(":, " + given + ":"), 1);
            right = right.concat(
                    Objects.requireNonNull(values.get(AdapterPart.LokrW2B)).get(given + ":"), 0);
        }
        values.put(AdapterPart.LokrW2A, left);
        values.put(AdapterPart.LokrW2B, right);
        return values;
    }

    private static NDArray drawn(AdapterPart part, Projection projection, Shape shape, long seed, NDManager scope) {
        double bound = 1 / Math.sqrt(shape.get(1));
        return Randomness.uniform(
                scope, Randomness.derive(seed, 0, part + "/" + projection.path()), shape, -bound, bound);
    }

    private static NDArray rows(LoraAdapter.Factors from, AdapterPart part, NDManager scope) {
        NDArray value = from.value(part).in(scope);
        return value.reshape(value.getShape().get(0), -1);
    }

    private static NDArray scaled(NDArray values, double factor) {
        return values.toType(DataType.FLOAT64, true).mul(factor).toType(DataType.FLOAT32, false);
    }

    @Override
    public Delta.Kronecker delta(
            List<NDArray> arrays, List<NDArray> gradients, List<NDArray> constants, double dropout) {
        long columns = arrays.get(arrays.size() - 1).getShape().get(1);
        DeltaForm.Kronecker form = new DeltaForm.Kronecker(
                scale(), out.first(), inFirst, out.second(), columns, firstRank > 0, secondRank > 0);
        return new Delta.Kronecker(arrays, form, gradients);
    }

    /** |w1|^2 |w2|^2. */
    @Override
    public NDArray productSquare(NDManager scope, Map<AdapterPart, NDArray> parts) {
        return square(
                scope,
                parts().stream()
                        .map(part -> Objects.requireNonNull(parts.get(part)))
                        .toList());
    }

    private NDArray square(NDManager scope, List<NDArray> arrays) {
        int behind = firstRank > 0 ? 2 : 1;
        return square(scope, firstRank, arrays, 0).mul(square(scope, secondRank, arrays, behind));
    }

    private static NDArray square(NDManager scope, int ofRank, List<NDArray> arrays, int first) {
        return ofRank == 0
                ? ProductNorm.square(scope, arrays.get(first))
                : ProductNorm.square(scope, arrays.get(first + 1), arrays.get(first));
    }

    @Override
    public NDArray changeSquare(Projection projection, Delta delta, @Nullable FrozenWeights weights, NDManager scope) {
        return square(scope, delta.arrays()).mul(scale() * scale());
    }

    @Override
    public NDArray change(Map<AdapterPart, NDArray> parts, NDArray weight) {
        NDArray first = whole(parts, firstRank, AdapterPart.LokrW1, AdapterPart.LokrW1A, AdapterPart.LokrW1B);
        NDArray second = whole(parts, secondRank, AdapterPart.LokrW2, AdapterPart.LokrW2A, AdapterPart.LokrW2B);
        long columns = second.getShape().get(1);
        return first.reshape(out.first(), 1, inFirst, 1)
                .mul(second.reshape(1, out.second(), 1, columns))
                .reshape(out.first() * out.second(), inFirst * columns)
                .mul(scale());
    }

    private static NDArray whole(
            Map<AdapterPart, NDArray> parts, int ofRank, AdapterPart whole, AdapterPart left, AdapterPart right) {
        return ofRank == 0
                ? Objects.requireNonNull(parts.get(whole))
                : Objects.requireNonNull(parts.get(left)).matMul(Objects.requireNonNull(parts.get(right)));
    }
}
