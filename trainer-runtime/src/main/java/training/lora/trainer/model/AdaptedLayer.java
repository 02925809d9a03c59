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

    /** By the forms of the deltas, of which a run has one set: the text is made once, not at every step. */
    private final Map<List<DeltaForm>, Kernels> kernels = new ConcurrentHashMap<>();

    /**
     * A layer's native functions for one set of deltas.
     *
     * @param forward of {@link #inputs} and the factors: the output
     * @param record of the same: the output and what is kept
     * @param backward of the output's gradient, what was kept, {@link #beside}, and factors with their gradients
     */
    record Kernels(Weights.Kernel forward, Weights.Kernel record, Weights.Kernel backward) {}

    /** @param projections in the order in which {@link #compile} gets their forms */
    AdaptedLayer(List<Projection> projections) {
        this.projections = List.copyOf(projections);
    }

    @Override
    public final List<Projection> projections() {
        return projections;
    }

    abstract Kernels compile(List<DeltaForm> forms);

    /** What the layer is computed from. */
    abstract List<NDArray> inputs(Pass pass, NDArray x, @Nullable NDArray skip);

    /** What of the pass the backward function wants again. */
    List<NDArray> beside(Pass pass) {
        return List.of();
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
    public final boolean adapted(ProjectionDeltas deltas) {
        return deltas(deltas).stream().anyMatch(Objects::nonNull);
    }

    private Kernels kernels(List<ProjectionDeltas.@Nullable LowRank> deltas) {
        List<DeltaForm> forms = new ArrayList<>();
        deltas.forEach(d -> forms.add(d == null ? DeltaForm.NONE : d.form()));
        return kernels.computeIfAbsent(forms, this::compile);
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
        return kernels(own)
                .forward()
                .callAll(pass.scope(), withFactors(inputs(pass, x, skip), own))
                .singletonOrThrow();
    }

    @Override
    public final NDList record(Pass pass, NDArray x, @Nullable NDArray skip) {
        List<ProjectionDeltas.@Nullable LowRank> own = deltas(pass.deltas());
        Weights.Kernel kernel = kernels(own).record();
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
        return kernels(own).backward().callAll(pass.scope(), inputs);
    }
}
