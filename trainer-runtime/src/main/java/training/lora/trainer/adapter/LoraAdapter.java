package training.lora.trainer.adapter;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.model.Component;
import training.lora.trainer.model.Projection;
import training.lora.trainer.model.ProjectionDeltas;
import training.lora.trainer.model.ProjectionDeltasLowRankBuilder;
import training.lora.trainer.tensor.Copy;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.TorchScript;

/**
 * LoRA (Hu et al. 2021): y = W x + s B A x beside each adapted projection, s = alpha / rank or, rank-stabilized, alpha /
 * sqrt(rank). All factors lie in one flat fp32 array, their gradients in another, so that an optimizer step is a handful of
 * operations.
 */
public final class LoraAdapter implements AutoCloseable {
    private final NDManager manager;
    private final NDArray arena;
    private final List<AdaptedProjection> projections;
    private final TorchScript split;
    private final double dropout;
    private final long seed;
    private @Nullable NDArray gradient;

    /**
     * A projection with its factors' size and place.
     *
     * @param projection what is adapted
     * @param rank rows of A
     * @param alpha the scale is alpha / rank
     * @param rankStabilized whether it is alpha / sqrt(rank) instead
     * @param offset where A starts in the arena, (rank, in) or (rank, in, k, k); B (out, rank) follows it
     */
    public record AdaptedProjection(
            Projection projection, int rank, double alpha, boolean rankStabilized, long offset) {
        double scale() {
            return alpha / (rankStabilized ? Math.sqrt(rank) : rank);
        }

        /** The alpha that gives the same scale where it is divided by the rank. */
        double plainAlpha() {
            return rankStabilized ? alpha * Math.sqrt(rank) : alpha;
        }

        long size() {
            return downSize() + upSize();
        }

        /** Entries of B. */
        long upSize() {
            return rank * projection.out();
        }

        /** Entries of A. */
        long downSize() {
            return rank * projection.fanIn();
        }
    }

    /** Factors as files have them: A (rank, in) or (rank, in, k, k) and B (out, rank), fp32; the scale is alpha / rank. */
    public record Factors(int rank, double alpha, LazyTensor down, LazyTensor up) {}

    private LoraAdapter(
            NDManager manager, NDArray arena, List<AdaptedProjection> projections, double dropout, long seed) {
        this.dropout = dropout;
        this.seed = seed;
        this.manager = manager;
        this.arena = arena;
        this.projections = Collections.unmodifiableList(projections);
        List<String> sizes = new ArrayList<>();
        List<String> names = new ArrayList<>();
        for (int i = 0; i < projections.size(); i++) {
            AdaptedProjection p = projections.get(i);
            sizes.add(Long.toString(p.downSize()));
            sizes.add(Long.toString(p.rank() * p.projection().out()));
            names.add("torch.reshape(s[%d], [%d, %d])"
                    .formatted(2 * i, p.rank(), p.projection().fanIn()));
            names.add("torch.reshape(s[%d], [%d, %d])"
                    .formatted(2 * i + 1, p.projection().out(), p.rank()));
        }
        split = TorchScript.compile(
                List.of("x"),
                List.of(
                        "s = torch.split_with_sizes(x, [%s], 0)".formatted(String.join(", ", sizes)),
                        "return (%s)".formatted(String.join(", ", names))),
                names.size());
    }

    /** A new adapter: A drawn from N(0, 1/rank^2) as peft's "gaussian", B zero, so that it changes nothing yet. */
    public static LoraAdapter create(List<Projection> all, LoraSettings settings, long seed, NDManager parent) {
        return create(all, settings, seed, Map.of(), parent);
    }

    /**
     * A new adapter that changes what given factors change: they fill the first rows of A and columns of B, scaled to the
     * settings' alpha, and what is left is as in a new adapter.
     *
     * @param begin factors by the projection's path
     * @throws TrainerException InvalidConfiguration if the settings leave out a module of {@code begin}, or its rank is
     *     higher than theirs
     */
    public static LoraAdapter create(
            List<Projection> all, LoraSettings settings, long seed, Map<String, Factors> begin, NDManager parent) {
        List<AdaptedProjection> adapted = new ArrayList<>();
        long offset = 0;
        for (LoraSettings.Chosen c : settings.select(all)) {
            AdaptedProjection p =
                    new AdaptedProjection(c.projection(), c.rank(), c.alpha(), settings.rankStabilized(), offset);
            adapted.add(p);
            offset += p.size();
        }
        begin.forEach((path, f) -> requireRoom(path, f, adapted));
        NDManager manager = parent.newSubManager();
        NDArray arena = manager.zeros(new Shape(offset));
        for (AdaptedProjection p : adapted) {
            String path = p.projection().path();
            Factors from = begin.get(path);
            try (NDManager scratch = parent.newSubManager(Device.cpu())) {
                NDArray down = Randomness.normal(
                                scratch,
                                Randomness.derive(seed, 0, "lora/" + path),
                                p.projection().downShape(p.rank()))
                        .muli(1.0 / p.rank());
                put(arena, p.offset(), down);
                if (from != null) {
                    put(arena, p.offset(), from.down().in(scratch));
                    put(arena, p.offset() + p.downSize(), padded(from, p, scratch));
                }
            }
        }
        return new LoraAdapter(manager, arena, adapted, settings.dropout(), seed);
    }

    /** Copies {@code values}, which are on the CPU, into a flat array, which may be on a card. */
    private static void put(NDArray arena, long offset, NDArray values) {
        NDIndex range = new NDIndex().addSliceDim(offset, offset + values.size());
        try (NDArray part = arena.get(range);
                NDArray there = values.toDevice(arena.getDevice(), true);
                NDArray row = there.reshape(values.size())) {
            Copy.into(part, row);
        }
    }

    private static void requireRoom(String path, Factors from, List<AdaptedProjection> adapted) {
        AdaptedProjection to = adapted.stream()
                .filter(p -> p.projection().path().equals(path))
                .findFirst()
                .orElse(null);
        if (to == null || to.rank() < from.rank()) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    to == null
                            ? "`spec.training.adapter.targets` must cover what `spec.training.initFrom` adapts, but leaves out "
                                    + path
                            : "`spec.training.adapter.rank` must be at least that of `spec.training.initFrom`, %d at %s, was %d"
                                    .formatted(from.rank(), path, to.rank()));
        }
    }

    /** B of {@code from} with the rank and scale of {@code to}: zero in the columns that are new. */
    private static NDArray padded(Factors from, AdaptedProjection to, NDManager scope) {
        long out = to.projection().out();
        double factor = from.alpha() / from.rank() * to.rank() / to.plainAlpha();
        NDArray up = from.up().as(DataType.FLOAT64).in(scope).mul(factor).toType(DataType.FLOAT32, false);
        return up.reshape(out, from.rank()).concat(scope.zeros(new Shape(out, to.rank() - from.rank())), 1);
    }

    /** An adapter with given factors, by the projection's path; for use, not for training with dropout. */
    public static LoraAdapter of(List<Projection> all, Map<String, Factors> factors, NDManager parent) {
        return of(all, factors, 0, 0, parent);
    }

    /**
     * An adapter that is trained from given factors.
     *
     * @param factors by the projection's path
     * @param dropout as in {@link LoraSettings}
     * @param seed what the dropout is drawn from
     */
    public static LoraAdapter of(
            List<Projection> all, Map<String, Factors> factors, double dropout, long seed, NDManager parent) {
        List<AdaptedProjection> adapted = new ArrayList<>();
        long offset = 0;
        for (Projection projection : all) {
            Factors f = factors.get(projection.path());
            if (f != null) {
                AdaptedProjection p = new AdaptedProjection(projection, f.rank(), f.alpha(), false, offset);
                adapted.add(p);
                offset += p.size();
            }
        }
        return of(parent, adapted, offset, factors, dropout, seed);
    }

    private static LoraAdapter of(
            NDManager parent,
            List<AdaptedProjection> adapted,
            long size,
            Map<String, Factors> factors,
            double dropout,
            long seed) {
        NDManager manager = parent.newSubManager();
        NDArray arena = manager.zeros(new Shape(size));
        for (AdaptedProjection p : adapted) {
            Factors f = Objects.requireNonNull(factors.get(p.projection().path()));
            try (NDManager scratch = parent.newSubManager(Device.cpu())) {
                put(arena, p.offset(), f.down().in(scratch));
                put(arena, p.offset() + p.downSize(), f.up().in(scratch));
            }
        }
        return new LoraAdapter(manager, arena, adapted, dropout, seed);
    }

    /** All factors, (n), fp32: for each projection A, then B. */
    public NDArray parameters() {
        return arena;
    }

    /** Gives it gradients, at first zero. */
    public LoraAdapter trainable() {
        if (gradient == null) {
            gradient = manager.zeros(arena.getShape());
        }
        return this;
    }

    /** What backward passes have added up for {@link #parameters}, (n), fp32; it must be {@link #trainable}. */
    public NDArray gradient() {
        return Objects.requireNonNull(gradient, "an adapter must be trainable to have a gradient");
    }

    /** The adapted projections, in the arena's order. */
    public List<AdaptedProjection> projections() {
        return projections;
    }

    /** Where the factors of text encoders begin in {@link #parameters}: behind the denoiser's, or at the end. */
    public long textOffset() {
        return projections.stream()
                .filter(p -> p.projection().component() != Component.UNet)
                .mapToLong(AdaptedProjection::offset)
                .findFirst()
                .orElse(arena.size());
    }

    /** Whether it adapts text encoders. */
    public boolean adaptsText() {
        return textOffset() < arena.size();
    }

    /** Views of the factors, and of their gradients if it is trainable, without dropout; they belong to {@code scope}. */
    public ProjectionDeltas bind(NDManager scope) {
        return bind(scope, 0, 0);
    }

    /** The same for a pass of {@code step}, whose dropout follows from the adapter's seed and the step alone. */
    public ProjectionDeltas bind(NDManager scope, long step) {
        return bind(scope, dropout, Randomness.derive(seed, step, "lora/dropout"));
    }

    private ProjectionDeltas bind(NDManager scope, double dropping, long drawn) {
        NDList views = split.callAll(scope, arena);
        NDList gradients = gradient == null ? null : split.callAll(scope, gradient);
        Map<String, ProjectionDeltas.LowRank> byPath = new HashMap<>();
        for (int i = 0; i < projections.size(); i++) {
            AdaptedProjection p = projections.get(i);
            byPath.put(
                    p.projection().path(),
                    ProjectionDeltasLowRankBuilder.builder()
                            .down(views.get(2 * i))
                            .up(views.get(2 * i + 1))
                            .scale(p.scale())
                            .dropout(dropping)
                            .downGradient(gradients == null ? null : gradients.get(2 * i))
                            .upGradient(gradients == null ? null : gradients.get(2 * i + 1))
                            .build());
        }
        return new ProjectionDeltas(byPath, drawn);
    }

    /** Frobenius norm of what it adds to the weights of each part of the model that it adapts, scale included. */
    public Map<Component, Double> norms() {
        Map<Component, Double> norms = new EnumMap<>(Component.class);
        try (NDManager scope = manager.newSubManager()) {
            NDList views = split.callAll(scope, arena);
            NDList squares = new NDList();
            for (int i = 0; i < projections.size(); i++) {
                squares.add(ProductNorm.square(scope, views.get(2 * i), views.get(2 * i + 1)));
            }
            // Read at once: each reading waits for the device.
            double[] values = NDArrays.stack(squares).toDoubleArray();
            for (int i = 0; i < projections.size(); i++) {
                AdaptedProjection p = projections.get(i);
                norms.merge(p.projection().component(), p.scale() * p.scale() * Math.max(0, values[i]), Double::sum);
            }
        }
        norms.replaceAll((component, square) -> Math.sqrt(square));
        return norms;
    }

    /** The factors by path, as they are when they are read. */
    public Map<String, Factors> factors() {
        Map<String, Factors> result = new LinkedHashMap<>();
        for (AdaptedProjection p : projections) {
            result.put(p.projection().path(), new Factors(p.rank(), p.plainAlpha(), down(p), up(p)));
        }
        return result;
    }

    /** A of a projection, as files have it. */
    public LazyTensor down(AdaptedProjection p) {
        return part(p.offset(), p.projection().downShape(p.rank()));
    }

    /** B of a projection, as files have it. */
    public LazyTensor up(AdaptedProjection p) {
        return part(p.offset() + p.downSize(), p.projection().upShape(p.rank()));
    }

    private LazyTensor part(long offset, Shape shape) {
        NDIndex range = new NDIndex().addSliceDim(offset, offset + shape.size());
        return new LazyTensor(shape, DataType.FLOAT32, scope -> arena.get(scope, range)
                .toDevice(scope.getDevice(), false)
                .reshape(shape));
    }

    @Override
    public void close() {
        manager.close();
    }
}
