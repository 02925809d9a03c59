package training.lora.trainer.adapter;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.layer.Delta;
import training.lora.trainer.model.layer.FrozenWeights;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.model.layer.kernel.DeltaForm;

/**
 * What is added to a weight, as large as it: LyCORIS' {@code diff}, (out, in) or (out, in, k, k), which has no scale. It is
 * read and written, never trained.
 */
public record FullDifference() implements AdapterKind {
    private static final List<AdapterPart> PARTS = List.of(AdapterPart.Diff);

    @Override
    public String name() {
        return "full difference of weights";
    }

    /** It is no product; 1, which alpha is divided by. */
    @Override
    public int rank() {
        return 1;
    }

    @Override
    public double alpha() {
        return 1;
    }

    @Override
    public boolean rankStabilized() {
        return false;
    }

    @Override
    public FullDifference folded() {
        return this;
    }

    @Override
    public List<AdapterPart> parts() {
        return PARTS;
    }

    @Override
    public Shape shape(AdapterPart part, Projection projection) {
        return new Shape(projection.out(), projection.fanIn());
    }

    @Override
    public Shape fileShape(AdapterPart part, Projection projection) {
        return fileShape(projection);
    }

    /** That of the weight. */
    public static Shape fileShape(Projection projection) {
        return projection.kernel() == 0
                ? new Shape(projection.out(), projection.in())
                : new Shape(projection.out(), projection.in(), projection.kernel(), projection.kernel());
    }

    @Override
    public void check(String path, Map<AdapterPart, Shape> shapes) {
        Shape shape = shape(shapes);
        if (shape.dimension() == 0 || shape.size() == 0) {
            throw new IllegalArgumentException(
                    "%s must have a difference of its weight's shape, but its shape is %s".formatted(path, shape));
        }
    }

    private static Shape shape(Map<AdapterPart, Shape> shapes) {
        return Objects.requireNonNull(shapes.get(AdapterPart.Diff), AdapterPart.Diff::name);
    }

    @Override
    public long fanIn(Map<AdapterPart, Shape> shapes) {
        return shape(shapes).size() / out(shapes);
    }

    @Override
    public long out(Map<AdapterPart, Shape> shapes) {
        return shape(shapes).get(0);
    }

    @Override
    public boolean goesOnFrom(AdapterKind from) {
        return false;
    }

    @Override
    public Map<AdapterPart, NDArray> initial(
            Projection projection,
            LoraAdapter.@Nullable Factors from,
            long seed,
            @Nullable FrozenWeights weights,
            NDManager scope) {
        throw new UnsupportedOperationException("a full difference of weights is not trained");
    }

    /** A Kronecker product with it has the matrix 1. */
    @Override
    public List<NDArray> constants(Projection projection, @Nullable FrozenWeights weights, NDManager manager) {
        return List.of(manager.ones(new Shape(1, 1)));
    }

    /** A Kronecker product of 1 and it. */
    @Override
    public Delta.Kronecker delta(
            List<NDArray> arrays, List<NDArray> gradients, List<NDArray> constants, double dropout) {
        NDArray difference = arrays.get(0);
        Shape shape = difference.getShape();
        List<NDArray> both = new ArrayList<>(constants);
        both.add(difference);
        return new Delta.Kronecker(
                both, new DeltaForm.Kronecker(1, 1, 1, shape.get(0), shape.get(1), false, false), gradients);
    }

    @Override
    public NDArray productSquare(NDManager scope, Map<AdapterPart, NDArray> parts) {
        return ProductNorm.square(scope, Objects.requireNonNull(parts.get(AdapterPart.Diff)));
    }

    @Override
    public NDArray changeSquare(Projection projection, Delta delta, @Nullable FrozenWeights weights, NDManager scope) {
        return ProductNorm.square(scope, delta.arrays().get(1));
    }

    @Override
    public NDArray change(Map<AdapterPart, NDArray> parts, NDArray weight) {
        return Objects.requireNonNull(parts.get(AdapterPart.Diff));
    }
}
