package training.lora.trainer.adapter;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.layer.Delta;
import training.lora.trainer.model.layer.DoraNorm;
import training.lora.trainer.model.layer.FrozenWeights;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.tensor.ComputeDevice;
import training.lora.trainer.tensor.LazyTensor;

/**
 * DoRA (Liu et al. 2024) on the output axis: the direction of W + s B A and, apart from it, a magnitude m of each output, W' =
 * m (W + s B A) / |W + s B A|.
 *
 * @param product s B A
 * @param norm what files of it divide by
 */
public record Dora(Lora product, Norm norm) implements AdapterKind {
    private static final List<AdapterPart> PARTS = List.of(AdapterPart.Down, AdapterPart.Up, AdapterPart.Magnitude);

    /** What a row of zeros is divided by. */
    private static final double LEAST_NORM = 1e-12;

    /** What a reader divides by, and so what the magnitude is a multiple of. */
    public enum Norm {
        /** |W + s B A|, as it is trained. */
        Adapted("peft, LyCORIS and OneTrainer"),
        /** |W|. */
        Frozen("ComfyUI");

        private final String reader;

        Norm(String reader) {
            this.reader = reader;
        }

        /** Who divides by it, for a sentence. */
        public String reader() {
            return reader;
        }
    }

    @Override
    public String name() {
        return "DoRA";
    }

    @Override
    public int rank() {
        return product.rank();
    }

    @Override
    public double alpha() {
        return product.alpha();
    }

    @Override
    public boolean rankStabilized() {
        return product.rankStabilized();
    }

    @Override
    public Dora folded() {
        return new Dora(product.folded(), norm);
    }

    @Override
    public Dora trained() {
        return new Dora(product, Norm.Adapted);
    }

    @Override
    public List<AdapterPart> parts() {
        return PARTS;
    }

    @Override
    public Shape shape(AdapterPart part, Projection projection) {
        return part == AdapterPart.Magnitude ? new Shape(projection.out()) : product.shape(part, projection);
    }

    @Override
    public Shape fileShape(AdapterPart part, Projection projection) {
        return part == AdapterPart.Magnitude ? new Shape(projection.out()) : product.fileShape(part, projection);
    }

    @Override
    public void check(String path, Map<AdapterPart, Shape> shapes) {
        product.check(path, shapes);
        Shape magnitude = Objects.requireNonNull(shapes.get(AdapterPart.Magnitude));
        Shape up = Objects.requireNonNull(shapes.get(AdapterPart.Up));
        if (!magnitude.equals(new Shape(up.get(0)))) {
            throw new IllegalArgumentException(
                    "%s must have a magnitude of each of its %d outputs, as DoRA on the output axis has, but its shape is %s"
                            .formatted(path, up.get(0), magnitude));
        }
    }

    @Override
    public long fanIn(Map<AdapterPart, Shape> shapes) {
        return product.fanIn(shapes);
    }

    @Override
    public long out(Map<AdapterPart, Shape> shapes) {
        return product.out(shapes);
    }

    @Override
    public boolean goesOnFrom(AdapterKind from) {
        return from instanceof Dora || product.goesOnFrom(from);
    }

    /** The magnitude is |W + s B A| at first, so that the function is that of the product alone, or of {@code from}. */
    @Override
    public Map<AdapterPart, NDArray> initial(
            Projection projection,
            LoraAdapter.@Nullable Factors from,
            long seed,
            @Nullable FrozenWeights weights,
            NDManager scope) {
        Map<AdapterPart, NDArray> values = new EnumMap<>(product.initial(projection, from, seed, weights, scope));
        values.put(
                AdapterPart.Magnitude,
                from != null && from.kind() instanceof Dora
                        ? magnitude(projection, from, weights, scope)
                        : norms(projection, product, values, weights, scope));
        return values;
    }

    @Override
    public Map<AdapterPart, NDArray> given(
            Projection projection, LoraAdapter.Factors from, @Nullable FrozenWeights weights, NDManager scope) {
        Map<AdapterPart, NDArray> values = new EnumMap<>(product.given(projection, from, weights, scope));
        values.put(AdapterPart.Magnitude, magnitude(projection, from, weights, scope));
        return values;
    }

    /** What is trained of a file's magnitude. */
    private static NDArray magnitude(
            Projection projection, LoraAdapter.Factors from, @Nullable FrozenWeights weights, NDManager scope) {
        Dora kind = (Dora) from.kind();
        NDArray given = from.value(AdapterPart.Magnitude).in(scope);
        return switch (kind.norm) {
            case Adapted -> given;
            case Frozen -> given.mul(ratio(projection, from, weights, scope));
        };
    }

    /** The magnitude of {@code trained} for a reader that divides by |W|; it is made once, however often it is read. */
    static LazyTensor forFrozen(Projection projection, LoraAdapter.Factors trained, @Nullable FrozenWeights weights) {
        LazyTensor magnitude = trained.value(AdapterPart.Magnitude);
        try (NDManager scope = ComputeDevice.CPU.newManager()) {
            float[] values = magnitude
                    .in(scope)
                    .div(ratio(projection, trained, weights, scope))
                    .toFloatArray();
            return new LazyTensor(magnitude.shape(), magnitude.type(), s -> s.create(values, magnitude.shape()));
        }
    }

    /** |W + s B A| / |W| (out), on the CPU. */
    private static NDArray ratio(
            Projection projection, LoraAdapter.Factors factors, @Nullable FrozenWeights weights, NDManager scope) {
        Lora product = ((Dora) factors.kind()).product;
        Map<AdapterPart, NDArray> values = product.given(projection, factors, weights, scope);
        try (NDManager there = scope.newSubManager()) {
            NDArray weight = require(weights).of(projection, there);
            return norms(projection, product, values, weights, scope)
                    .div(moved(DoraNorm.frozenNorms(weight, there), scope));
        }
    }

    /** |W + s B A| (out), on the CPU. */
    private static NDArray norms(
            Projection projection,
            Lora product,
            Map<AdapterPart, NDArray> values,
            @Nullable FrozenWeights weights,
            NDManager scope) {
        try (NDManager there = scope.newSubManager()) {
            NDArray weight = require(weights).of(projection, there);
            NDArray norms = DoraNorm.norms(
                    projection,
                    weight,
                    DoraNorm.squares(weight, there),
                    new Delta.LowRank(
                            there(values, AdapterPart.Down, product.shape(AdapterPart.Down, projection), weight),
                            there(values, AdapterPart.Up, product.shape(AdapterPart.Up, projection), weight),
                            product.scale()),
                    there);
            return moved(norms, scope);
        }
    }

    private static NDArray moved(NDArray array, NDManager scope) {
        NDArray result = array.toDevice(scope.getDevice(), true);
        result.attach(scope);
        return result;
    }

    private static NDArray there(Map<AdapterPart, NDArray> values, AdapterPart part, Shape shape, NDArray weight) {
        return Objects.requireNonNull(values.get(part))
                .toDevice(weight.getDevice(), false)
                .reshape(shape);
    }

    private static FrozenWeights require(@Nullable FrozenWeights weights) {
        return Objects.requireNonNull(weights, "the frozen weights, which DoRA depends on");
    }

    @Override
    public List<NDArray> constants(Projection projection, @Nullable FrozenWeights weights, NDManager manager) {
        try (NDManager scope = manager.newSubManager()) {
            return List.of(DoraNorm.squares(require(weights).of(projection, scope), manager));
        }
    }

    @Override
    public Delta.Dora delta(List<NDArray> arrays, List<NDArray> gradients, List<NDArray> constants, double dropout) {
        return new Delta.Dora(
                new Delta.LowRank(arrays.get(0), arrays.get(1), scale(), dropout, List.of()),
                arrays.get(2),
                constants.get(0),
                gradients);
    }

    @Override
    public NDArray productSquare(NDManager scope, Map<AdapterPart, NDArray> parts) {
        return product.productSquare(scope, parts);
    }

    @Override
    public NDArray changeSquare(Projection projection, Delta delta, @Nullable FrozenWeights weights, NDManager scope) {
        // A weight may be made for this alone.
        try (NDManager own = scope.newSubManager()) {
            NDArray weight = require(weights).of(projection, own);
            NDArray square = DoraNorm.changeSquare(projection, weight, (Delta.Dora) delta, own);
            square.attach(scope);
            return square;
        }
    }

    @Override
    public NDArray change(Map<AdapterPart, NDArray> parts, NDArray weight) {
        NDArray sum = weight.add(product.change(parts, weight));
        NDArray divisor =
                switch (norm) {
                    case Adapted -> sum;
                    case Frozen -> weight;
                };
        NDArray norms = divisor.square().sum(new int[] {1}, true).sqrt().maximum(LEAST_NORM);
        NDArray magnitude =
                Objects.requireNonNull(parts.get(AdapterPart.Magnitude)).reshape(-1, 1);
        return sum.mul(magnitude.div(norms)).sub(weight);
    }
}
