package training.lora.trainer.adapter;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.layer.AddedTokens;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.model.layer.Delta;
import training.lora.trainer.model.layer.FrozenWeights;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.TorchScript;

/**
 * An adapter beside the projections of a model. All its parts lie in one flat fp32 array, their gradients in another, so that
 * an optimizer step is a handful of operations.
 */
public final class LoraAdapter implements AutoCloseable {
    private final NDManager manager;
    private final NDArray arena;
    private final List<AdaptedProjection> projections;
    private final List<List<NDArray>> constants = new ArrayList<>();
    private final @Nullable FrozenWeights weights;
    private final @Nullable TorchScript split;
    private final Dropouts dropouts;
    private final @Nullable Double maximumNorm;
    private final long seed;
    private @Nullable NDArray gradient;
    private @Nullable TokenEmbeddings tokens;

    /**
     * What stands beside a module, as files have it.
     *
     * @param values of the kind's parts, fp32
     */
    public record Factors(AdapterKind kind, Map<AdapterPart, LazyTensor> values) {
        public Factors {
            values = Map.copyOf(values);
        }

        /** A LoRA's: A (rank, in) or (rank, in, k, k) and B (out, rank); the scale is alpha / rank. */
        public Factors(int rank, double alpha, LazyTensor down, LazyTensor up) {
            this(new Lora(rank, alpha, false), Map.of(AdapterPart.Down, down, AdapterPart.Up, up));
        }

        /** Its rank. */
        public int rank() {
            return kind.rank();
        }

        /** The scale times the rank. */
        public double alpha() {
            return kind.foldedAlpha();
        }

        /** A. */
        public LazyTensor down() {
            return value(AdapterPart.Down);
        }

        /** B. */
        public LazyTensor up() {
            return value(AdapterPart.Up);
        }

        /** What it adds to {@code weight}, as {@link AdapterKind#change}, in {@code scope}. */
        public NDArray change(NDArray weight, NDManager scope) {
            Map<AdapterPart, NDArray> parts = new EnumMap<>(AdapterPart.class);
            for (AdapterPart part : kind.parts()) {
                NDArray value = value(part).in(scope);
                parts.put(part, value.reshape(value.getShape().get(0), -1));
            }
            return kind.change(parts, weight);
        }

        LazyTensor value(AdapterPart part) {
            return Objects.requireNonNull(values.get(part), part::name);
        }
    }

    private LoraAdapter(
            NDManager manager,
            NDArray arena,
            List<AdaptedProjection> projections,
            @Nullable FrozenWeights weights,
            Dropouts dropouts,
            @Nullable Double maximumNorm,
            long seed) {
        this.weights = weights;
        this.dropouts = dropouts;
        this.maximumNorm = maximumNorm;
        this.seed = seed;
        this.manager = manager;
        this.arena = arena;
        this.projections = Collections.unmodifiableList(projections);
        projections.forEach(p -> constants.add(p.kind().constants(p.projection(), weights, manager)));
        List<String> sizes = new ArrayList<>();
        List<String> views = new ArrayList<>();
        for (AdaptedProjection p : projections) {
            for (AdapterPart part : p.kind().parts()) {
                long[] shape = p.kind().shape(part, p.projection()).getShape();
                views.add("torch.reshape(s[%d], %s)".formatted(views.size(), Arrays.toString(shape)));
                sizes.add(Long.toString(p.size(part)));
            }
        }
        split = projections.isEmpty()
                ? null
                : TorchScript.compile(
                        List.of("x"),
                        List.of(
                                "s = torch.split_with_sizes(x, [%s], 0)".formatted(String.join(", ", sizes)),
                                "return (%s)".formatted(String.join(", ", views))),
                        views.size());
    }

    /** A new LoRA, which changes nothing yet; what locks keys is filled in by its maker. */
    public static LoraAdapter create(List<Projection> all, LoraSettings settings, long seed, NDManager parent) {
        return create(plan(all, settings, Map.of()), settings, seed, Map.of(), null, parent);
    }

    /** The same of any kind, beside a network of {@code weights}. */
    public static LoraAdapter create(
            List<Projection> all, LoraSettings settings, long seed, FrozenWeights weights, NDManager parent) {
        return create(plan(all, settings, Map.of()), settings, seed, Map.of(), weights, parent);
    }

    /** As {@link AdapterPlan#of}. */
    public static List<AdaptedProjection> plan(
            List<Projection> all, LoraSettings settings, Map<String, Factors> begin) {
        return AdapterPlan.of(all, settings, begin);
    }

    /**
     * A new adapter that changes what given factors change.
     *
     * @param plan what it is made of
     * @param begin factors by the projection's path
     * @param weights what it may depend on; null where it depends on none
     */
    public static LoraAdapter create(
            List<AdaptedProjection> plan,
            LoraSettings settings,
            long seed,
            Map<String, Factors> begin,
            @Nullable FrozenWeights weights,
            NDManager parent) {
        NDManager manager = parent.newSubManager();
        NDArray arena = AdapterPlan.arena(plan, manager, (p, scratch) -> p.kind()
                .initial(p.projection(), begin.get(p.projection().path()), seed, weights, scratch));
        return new LoraAdapter(manager, arena, plan, weights, settings.dropouts(), settings.maximumNorm(), seed);
    }

    /** A LoRA with given factors, by the projection's path; for use, not for training with dropout. */
    public static LoraAdapter of(List<Projection> all, Map<String, Factors> factors, NDManager parent) {
        return of(all, factors, 0, 0, parent);
    }

    /** The same of any kind, beside a network of {@code weights}. */
    public static LoraAdapter of(
            List<Projection> all, Map<String, Factors> factors, FrozenWeights weights, NDManager parent) {
        return of(all, factors, weights, 0, 0, parent);
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
        return of(all, factors, null, dropout, seed, parent);
    }

    static LoraAdapter of(
            List<Projection> all,
            Map<String, Factors> factors,
            @Nullable FrozenWeights weights,
            double dropout,
            long seed,
            NDManager parent) {
        List<AdaptedProjection> plan = AdapterPlan.of(all, factors);
        NDManager manager = parent.newSubManager();
        NDArray arena = AdapterPlan.arena(plan, manager, (p, scratch) -> {
            Factors f = Objects.requireNonNull(factors.get(p.projection().path()));
            return f.kind().given(p.projection(), f, weights, scratch);
        });
        return new LoraAdapter(manager, arena, plan, weights, Dropouts.ofEntries(dropout), null, seed);
    }

    /** All parts, (n), fp32: for each projection its kind's in their order. */
    public NDArray parameters() {
        return arena;
    }

    /** Gives it gradients, at first zero. */
    public LoraAdapter trainable() {
        if (gradient == null) {
            gradient = manager.zeros(arena.getShape());
        }
        if (tokens != null) {
            tokens.trainable();
        }
        return this;
    }

    /** What backward passes have added up for {@link #parameters}, (n), fp32; it must be {@link #trainable}. */
    public NDArray gradient() {
        return Objects.requireNonNull(gradient, "an adapter must be trainable to have a gradient");
    }

    /** The same with other numbers, {@code parameters} (n), fp32, as they are when it is used; it lives as long as this. */
    public LoraAdapter with(NDArray parameters) {
        return new LoraAdapter(manager.newSubManager(), parameters, projections, weights, dropouts, maximumNorm, seed);
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

    /** Whether it adapts text encoders, or has tokens beside their vocabularies. */
    public boolean adaptsText() {
        return tokens != null || textOffset() < arena.size();
    }

    /** Gives it tokens, which are closed with it. */
    public LoraAdapter with(TokenEmbeddings added) {
        tokens = added;
        return this;
    }

    /** What stands in the place of words; null for nothing. */
    public @Nullable TokenEmbeddings tokens() {
        return tokens;
    }

    /** Views of the factors, and of their gradients if it is trainable, with nothing left out; they belong to {@code scope}. */
    public ProjectionDeltas bind(NDManager scope) {
        Map<String, Delta> byPath = new HashMap<>();
        List<Delta> deltas = deltas(scope, 0);
        for (int i = 0; i < deltas.size(); i++) {
            byPath.put(projections.get(i).projection().path(), deltas.get(i));
        }
        return new ProjectionDeltas(byPath, 0, added(scope));
    }

    /**
     * The same for a pass of {@code step}; what it leaves out follows from the adapter's seed, the step and the timesteps alone.
     *
     * @param times of each sample
     */
    public ProjectionDeltas bind(NDManager scope, long step, Dropouts.Times times) {
        Map<String, Delta> byPath = new HashMap<>();
        List<Delta> deltas = deltas(scope, dropouts.entries());
        for (int i = 0; i < deltas.size(); i++) {
            AdaptedProjection p = projections.get(i);
            Projection projection = p.projection();
            Delta delta = deltas.get(i);
            if (dropouts.masks(projection)) {
                float[] mask = dropouts.mask(projection, p.rank(), times, seed, step);
                delta = ((Delta.LowRank) delta)
                        .masked(scope.create(mask, new Shape(times.timesteps().length, p.rank())));
            }
            if (!dropouts.leavesOut(projection, seed, step)) {
                byPath.put(projection.path(), delta);
            }
        }
        return new ProjectionDeltas(byPath, Randomness.derive(seed, step, "lora/dropout"), added(scope));
    }

    private @Nullable AddedTokens added(NDManager scope) {
        return tokens == null ? null : tokens.bind(scope);
    }

    /** Scales factors down whose product is greater than the settings allow, as kohya's scale_weight_norms. */
    public void limitNorms() {
        if (maximumNorm == null) {
            return;
        }
        try (NDManager scope = manager.newSubManager()) {
            for (Delta delta : deltas(scope, 0)) {
                Delta.LowRank own = (Delta.LowRank) delta;
                ProductNorm.limit(scope, own.down(), own.up(), own.scale(), maximumNorm);
            }
        }
    }

    /** Those of {@link #projections}, in their order. */
    private List<Delta> deltas(NDManager scope, double dropping) {
        if (split == null) {
            return List.of();
        }
        List<NDArray> views = split.callAll(scope, arena);
        List<NDArray> gradients = gradient == null ? List.of() : split.callAll(scope, gradient);
        List<Delta> deltas = new ArrayList<>();
        int first = 0;
        for (int i = 0; i < projections.size(); i++) {
            AdapterKind kind = projections.get(i).kind();
            int next = first + kind.parts().size();
            deltas.add(kind.delta(
                    views.subList(first, next),
                    gradients.isEmpty() ? gradients : gradients.subList(first, next),
                    constants.get(i),
                    dropping));
            first = next;
        }
        return deltas;
    }

    /** Frobenius norm of what it adds to the weights of each part of the model that it adapts, scale included. */
    public Map<Component, Double> norms() {
        Map<Component, Double> norms = new EnumMap<>(Component.class);
        if (projections.isEmpty()) {
            return norms;
        }
        try (NDManager scope = manager.newSubManager()) {
            List<Delta> deltas = deltas(scope, 0);
            NDList squares = new NDList();
            for (int i = 0; i < deltas.size(); i++) {
                AdaptedProjection p = projections.get(i);
                squares.add(p.kind().changeSquare(p.projection(), deltas.get(i), weights, scope));
            }
            // Read at once: each reading waits for the device.
            double[] values = NDArrays.stack(squares).toDoubleArray();
            for (int i = 0; i < projections.size(); i++) {
                AdaptedProjection p = projections.get(i);
                norms.merge(p.projection().component(), Math.max(0, values[i]), Double::sum);
            }
        }
        norms.replaceAll((component, square) -> Math.sqrt(square));
        return norms;
    }

    /** The factors by path, as they are when they are read. */
    public Map<String, Factors> factors() {
        Map<String, Factors> result = new LinkedHashMap<>();
        for (AdaptedProjection p : projections) {
            result.put(p.projection().path(), new Factors(p.kind().folded(), values(p)));
        }
        return result;
    }

    /** The parts of a projection's adapter, as files have them. */
    public Map<AdapterPart, LazyTensor> values(AdaptedProjection p) {
        Map<AdapterPart, LazyTensor> values = new EnumMap<>(AdapterPart.class);
        for (AdapterPart part : p.kind().parts()) {
            values.put(part, FlatArray.part(arena, p.offset(part), p.kind().fileShape(part, p.projection())));
        }
        return values;
    }

    /** The same with DoRA's magnitudes for a reader that divides by {@code norm}. */
    public Map<AdapterPart, LazyTensor> values(AdaptedProjection p, Dora.Norm norm) {
        Map<AdapterPart, LazyTensor> values = values(p);
        if (p.kind() instanceof Dora && norm == Dora.Norm.Frozen) {
            values.put(
                    AdapterPart.Magnitude,
                    Dora.forFrozen(p.projection(), new Factors(p.kind(), Map.copyOf(values)), weights));
        }
        return values;
    }

    @Override
    public void close() {
        if (tokens != null) {
            tokens.close();
        }
        manager.close();
    }
}
