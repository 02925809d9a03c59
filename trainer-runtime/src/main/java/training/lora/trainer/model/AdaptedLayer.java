package training.lora.trainer.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
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
     */
    record Variant(List<DeltaForm> forms, boolean toText) {
        DeltaForm form(int i) {
            return forms.get(i);
        }
    }

    /**
     * A layer's native functions for one set of deltas.
     *
     * @param forward of {@link #inputs} and the factors: the output
     * @param record of the same: the output and what is kept
     * @param backward of the output's gradient, what was kept, {@link #beside}, and factors with their gradients
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

    static String factors(List<? extends ProjectionText> texts) {
        return texts.stream().map(ProjectionText::factors).collect(Collectors.joining());
    }

    static String factorsAndGradients(List<? extends ProjectionText> texts) {
        return texts.stream().map(ProjectionText::factorsAndGradients).collect(Collectors.joining());
    }

    static String kept(List<? extends ProjectionText> texts) {
        return texts.stream().map(ProjectionText::kept).collect(Collectors.joining());
    }

    private List<ProjectionDeltas.@Nullable LowRank> deltas(ProjectionDeltas deltas) {
        List<ProjectionDeltas.@Nullable LowRank> own = new ArrayList<>();
        projections.forEach(p -> own.add(deltas.at(p.path())));
        return own;
    }

    @Override
    public final boolean trained(Pass pass) {
        return deltas(pass.deltas()).stream().anyMatch(Objects::nonNull) || toText(pass);
    }

    private Kernels kernels(Pass pass, List<ProjectionDeltas.@Nullable LowRank> deltas) {
        List<DeltaForm> forms = new ArrayList<>();
        deltas.forEach(d -> forms.add(d == null ? DeltaForm.NONE : d.form()));
        return kernels.computeIfAbsent(new Variant(forms, toText(pass)), this::compile);
    }

    private List<NDArray> withFactors(List<NDArray> inputs, List<ProjectionDeltas.@Nullable LowRank> deltas) {
        List<NDArray> all = new ArrayList<>(inputs);
        for (ProjectionDeltas.LowRank delta : deltas) {
            if (delta != null) {
                all.add(delta.down());
                all.add(delta.up());
            }
        }
        return all;
    }

    @Override
    public final NDArray forward(Pass pass, NDArray x, @Nullable NDArray skip) {
        List<ProjectionDeltas.@Nullable LowRank> own = deltas(pass.deltas());
        return kernels(pass, own)
                .forward()
                .callAll(pass.scope(), withFactors(inputs(pass, x, skip), own))
                .singletonOrThrow();
    }

    @Override
    public final NDList record(Pass pass, NDArray x, @Nullable NDArray skip) {
        List<ProjectionDeltas.@Nullable LowRank> own = deltas(pass.deltas());
        Weights.Kernel kernel = kernels(pass, own).record();
        List<NDArray> inputs = withFactors(inputs(pass, x, skip), own);
        if (own.stream().noneMatch(d -> d != null && d.dropout() > 0)) {
            return kernel.callAll(pass.scope(), inputs);
        }
        long seed = Randomness.derive(
                pass.deltas().seed(), 0, "dropout/" + projections.get(0).path());
        return Randomness.seeded(seed, () -> kernel.callAll(pass.scope(), inputs));
    }

    @Override
    public final NDList backward(Pass pass, NDArray dy, NDList kept) {
        List<ProjectionDeltas.@Nullable LowRank> own = deltas(pass.deltas());
        List<NDArray> inputs = new ArrayList<>(List.of(dy));
        inputs.addAll(kept);
        inputs.addAll(beside(pass));
        for (int i = 0; i < own.size(); i++) {
            ProjectionDeltas.LowRank delta = own.get(i);
            if (delta != null) {
                String path = projections.get(i).path();
                inputs.add(delta.down());
                inputs.add(delta.up());
                inputs.add(Objects.requireNonNull(delta.downGradient(), "a gradient for " + path));
                inputs.add(Objects.requireNonNull(delta.upGradient(), "a gradient for " + path));
            }
        }
        return kernels(pass, own).backward().callAll(pass.scope(), inputs);
    }
}
