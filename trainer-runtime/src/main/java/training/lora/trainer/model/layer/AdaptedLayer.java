package training.lora.trainer.model.layer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.layer.kernel.DeltaForm;
import training.lora.trainer.model.weights.Weights;
import training.lora.trainer.tensor.Randomness;

/**
 * A layer with projections that an adapter can stand beside. Its native functions are compiled for the deltas that there
 * are, when they are first met: a projection without a delta costs nothing.
 */
abstract class AdaptedLayer implements Layer {
    private final List<Projection> projections;

    /** A run has one of each layer: the text is made once, not at every step. */
    private final Map<Variant, Kernels> kernels = new ConcurrentHashMap<>();

    /**
     * What a layer's native functions depend on.
     *
     * @param forms of the deltas beside its projections
     * @param toText whether the gradient of what the text came to is wanted
     * @param scored whether a recording gives {@link AttentionScores} behind its output, and takes their gradient behind
     *     {@link #beside}
     */
    record Variant(List<DeltaForm> forms, boolean toText, boolean scored) {
        DeltaForm form(int i) {
            return forms.get(i);
        }
    }

    /**
     * A layer's native functions for one set of deltas.
     *
     * @param forward of {@link #inputs} and the deltas' arrays: the output
     * @param record of the same: the output and what is kept
     * @param backward of the output's gradient, what was kept, {@link #beside}, and each delta's arrays with what their
     *     gradients are added to
     */
    record Kernels(Weights.Kernel forward, Weights.Kernel record, Weights.Kernel backward) {}

    /** @param projections in the order of a {@link Variant}'s forms */
    AdaptedLayer(List<Projection> projections) {
        this.projections = List.copyOf(projections);
    }

    @Override
    public final List<Projection> projections() {
        return projections;
    }

    abstract Kernels compile(Variant variant);

    /** What the layer is computed from. */
    abstract List<NDArray> inputs(Pass pass, NDArray x, @Nullable NDArray skip);

    /** Whether the last of {@link #inputs} is of the pass, not of the layer before. */
    boolean takesOfPass() {
        return false;
    }

    /** What of the pass the backward function wants again. */
    List<NDArray> beside(Pass pass) {
        return List.of();
    }

    static List<NDArray> with(NDArray array, @Nullable NDArray gradient) {
        return gradient == null ? List.of(array) : List.of(array, gradient);
    }

    /** Whether it adds to the gradients of context or time in {@code pass}. */
    boolean toText(Pass pass) {
        return false;
    }

    /** What takes its scores in {@code pass}; null where it has none or nobody asks for them. */
    @Nullable AttentionScores scores(Pass pass) {
        return null;
    }

    /** Names in their order. */
    @SafeVarargs
    static List<String> names(List<String>... parts) {
        return Stream.of(parts).flatMap(List::stream).toList();
    }

    /** What the gradient of the pass's context or time is added to, whichever the layer takes; null where none is wanted. */
    final @Nullable NDArray gradientOfPass(Pass pass) {
        return toText(pass) ? beside(pass).get(1) : null;
    }

    @Override
    public final Layer ofTrainedWeights() {
        List<DeltaForm> none = Collections.nCopies(projections.size(), DeltaForm.NONE);
        Weights.Kernel forward = compile(new Variant(none, false, false)).forward();
        return new TrainedLayer(this, forward);
    }

    private List<@Nullable Delta> deltas(ProjectionDeltas deltas) {
        List<@Nullable Delta> own = new ArrayList<>();
        projections.forEach(p -> own.add(deltas.at(p.path())));
        return own;
    }

    @Override
    public final boolean trained(Pass pass) {
        return deltas(pass.deltas()).stream().anyMatch(Objects::nonNull) || toText(pass);
    }

    private Kernels kernels(Pass pass, List<@Nullable Delta> deltas) {
        List<DeltaForm> forms = new ArrayList<>();
        deltas.forEach(d -> forms.add(d == null ? DeltaForm.NONE : d.form()));
        return kernels.computeIfAbsent(new Variant(forms, toText(pass), scores(pass) != null), this::compile);
    }

    private static List<NDArray> withArrays(List<NDArray> inputs, List<@Nullable Delta> deltas) {
        List<NDArray> all = new ArrayList<>(inputs);
        for (Delta delta : deltas) {
            if (delta != null) {
                all.addAll(delta.arrays());
            }
        }
        return all;
    }

    @Override
    public final NDArray forward(Pass pass, NDArray x, @Nullable NDArray skip) {
        List<@Nullable Delta> own = deltas(pass.deltas());
        return kernels(pass, own)
                .forward()
                .callAll(pass.scope(), withArrays(inputs(pass, x, skip), own))
                .singletonOrThrow();
    }

    @Override
    public final NDList record(Pass pass, NDArray x, @Nullable NDArray skip) {
        List<@Nullable Delta> own = deltas(pass.deltas());
        Weights.Kernel kernel = kernels(pass, own).record();
        List<NDArray> inputs = withArrays(inputs(pass, x, skip), own);
        if (own.stream().noneMatch(d -> d != null && d.form().dropout() > 0)) {
            return withoutScores(pass, kernel.callAll(pass.scope(), inputs));
        }
        long seed = Randomness.derive(
                pass.deltas().seed(), 0, "dropout/" + projections.get(0).path());
        return withoutScores(pass, Randomness.seeded(seed, () -> kernel.callAll(pass.scope(), inputs)));
    }

    /** Gives the scores among {@code results} to what takes them, where something does. */
    private NDList withoutScores(Pass pass, NDList results) {
        AttentionScores scores = scores(pass);
        if (scores != null) {
            scores.put(projections.get(0).path(), results.remove(1));
        }
        return results;
    }

    @Override
    public final NDList backward(Pass pass, NDArray dy, NDList kept) {
        List<@Nullable Delta> own = deltas(pass.deltas());
        List<NDArray> inputs = new ArrayList<>(List.of(dy));
        inputs.addAll(kept);
        inputs.addAll(beside(pass));
        AttentionScores scores = scores(pass);
        if (scores != null) {
            inputs.add(scores.gradient(projections.get(0).path()));
        }
        for (int i = 0; i < own.size(); i++) {
            Delta delta = own.get(i);
            if (delta != null) {
                if (delta.gradients().isEmpty()) {
                    throw new IllegalStateException(
                            projections.get(i).path() + " must have what its gradients are added to");
                }
                inputs.addAll(delta.arrays());
                inputs.addAll(delta.gradients());
            }
        }
        return kernels(pass, own).backward().callAll(pass.scope(), inputs);
    }
}
