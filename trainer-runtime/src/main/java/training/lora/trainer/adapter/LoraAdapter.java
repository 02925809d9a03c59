package training.lora.trainer.adapter;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.Projection;
import training.lora.trainer.model.ProjectionDeltas;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.TorchScript;

/**
 * LoRA (Hu et al. 2021): y = W x + s B A x beside each adapted projection, s = alpha / rank or, rank-stabilized, alpha /
 * sqrt(rank). All factors lie in one flat fp32
 * array, their gradients in another, so that an optimizer step is a handful of operations.
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
     * @param offset where A (rank, in) starts in the arena; B (out, rank) follows it
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
            return rank * (projection.in() + projection.out());
        }

        Shape downShape() {
            return new Shape(rank, projection.in());
        }

        Shape upShape() {
            return new Shape(projection.out(), rank);
        }
    }

    /** Factors as files have them: A (rank, in) and B (out, rank), row by row; the scale is alpha / rank. */
    public record Factors(int rank, double alpha, float[] down, float[] up) {}

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
            sizes.add(Long.toString(p.rank() * p.projection().in()));
            sizes.add(Long.toString(p.rank() * p.projection().out()));
            names.add("torch.reshape(s[%d], [%d, %d])"
                    .formatted(2 * i, p.rank(), p.projection().in()));
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
        List<AdaptedProjection> adapted = new ArrayList<>();
        long offset = 0;
        for (Projection projection : settings.select(all)) {
            AdaptedProjection p = new AdaptedProjection(
                    projection, settings.rank(), settings.alpha(), settings.rankStabilized(), offset);
            adapted.add(p);
            offset += p.size();
        }
        Map<AdaptedProjection, float[]> downs = new HashMap<>();
        try (NDManager scratch = parent.newSubManager()) {
            for (AdaptedProjection p : adapted) {
                long own = Randomness.derive(seed, 0, "lora/" + p.projection().path());
                downs.put(
                        p,
                        Randomness.normal(scratch, own, p.downShape())
                                .mul(1.0 / p.rank())
                                .toFloatArray());
            }
        }
        return of(parent, adapted, offset, p -> downs.get(p), p -> new float[0], settings.dropout(), seed);
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
        return of(
                parent,
                adapted,
                offset,
                p -> Objects.requireNonNull(factors.get(p.projection().path())).down(),
                p -> Objects.requireNonNull(factors.get(p.projection().path())).up(),
                dropout,
                seed);
    }

    private static LoraAdapter of(
            NDManager parent,
            List<AdaptedProjection> adapted,
            long size,
            java.util.function.Function<AdaptedProjection, float[]> down,
            java.util.function.Function<AdaptedProjection, float[]> up,
            double dropout,
            long seed) {
        NDManager manager = parent.newSubManager();
        FloatBuffer values = manager.allocateDirect(Math.toIntExact(4 * size)).asFloatBuffer();
        for (AdaptedProjection p : adapted) {
            values.position((int) p.offset());
            values.put(down.apply(p));
            values.position((int) (p.offset() + p.rank() * p.projection().in()));
            values.put(up.apply(p));
        }
        NDArray arena = manager.create(values.rewind(), new Shape(size), DataType.FLOAT32);
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
                    new ProjectionDeltas.LowRank(
                            views.get(2 * i),
                            views.get(2 * i + 1),
                            p.scale(),
                            dropping,
                            gradients == null ? null : gradients.get(2 * i),
                            gradients == null ? null : gradients.get(2 * i + 1)));
        }
        return new ProjectionDeltas(byPath, drawn);
    }

    /** Copies of the factors: {@code path} to A and B. */
    public Map<String, Factors> factors() {
        float[] all = arena.toFloatArray();
        Map<String, Factors> result = new LinkedHashMap<>();
        for (AdaptedProjection p : projections) {
            int start = (int) p.offset();
            int middle = (int) (start + p.rank() * p.projection().in());
            int end = (int) (start + p.size());
            result.put(
                    p.projection().path(),
                    new Factors(
                            p.rank(),
                            p.plainAlpha(),
                            java.util.Arrays.copyOfRange(all, start, middle),
                            java.util.Arrays.copyOfRange(all, middle, end)));
        }
        return result;
    }

    /** A copy of one projection's factors: A, then B, row by row. */
    public float[] values(AdaptedProjection projection) {
        NDIndex range = new NDIndex().addSliceDim(projection.offset(), projection.offset() + projection.size());
        try (NDArray values = arena.get(range)) {
            return values.toFloatArray();
        }
    }

    @Override
    public void close() {
        manager.close();
    }
}
