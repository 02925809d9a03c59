package training.lora.trainer.adapter;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.adapter.LoraAdapter.Factors;
import training.lora.trainer.model.layer.Projection;

/** Which projections an adapter stands beside, and where the parts of each lie in its flat array. */
final class AdapterPlan {
    private AdapterPlan() {}

    /**
     * What an adapter is made of.
     *
     * @param begin factors that it begins with, by the projection's path
     * @throws TrainerException InvalidConfiguration if the settings leave out a module of {@code begin}, its rank is higher
     *     than theirs, or its kind another that they have no place for
     */
    static List<AdaptedProjection> of(List<Projection> all, LoraSettings settings, Map<String, Factors> begin) {
        List<AdaptedProjection> adapted = new ArrayList<>();
        for (LoraSettings.Chosen c : settings.select(all)) {
            append(adapted, c.projection(), settings.kind(c));
        }
        begin.forEach((path, f) -> requireRoom(path, f, adapted));
        return adapted;
    }

    /** That of given factors, by the projection's path. */
    static List<AdaptedProjection> of(List<Projection> all, Map<String, Factors> factors) {
        List<AdaptedProjection> adapted = new ArrayList<>();
        for (Projection projection : all) {
            Factors f = factors.get(projection.path());
            if (f != null) {
                append(adapted, projection, f.kind().trained());
            }
        }
        return adapted;
    }

    private static void append(List<AdaptedProjection> adapted, Projection projection, AdapterKind kind) {
        adapted.add(new AdaptedProjection(projection, kind, size(adapted)));
    }

    private static long size(List<AdaptedProjection> adapted) {
        if (adapted.isEmpty()) {
            return 0;
        }
        AdaptedProjection last = adapted.get(adapted.size() - 1);
        return last.offset() + last.size();
    }

    private static void requireRoom(String path, Factors from, List<AdaptedProjection> adapted) {
        AdaptedProjection to = adapted.stream()
                .filter(p -> p.projection().path().equals(path))
                .findFirst()
                .orElse(null);
        if (from.kind() instanceof FullDifference) {
            throw refused(
                    "`spec.training.initFrom` must be a file of factors, but has full differences of weights, which no training goes on from: give the file of Kohya or Diffusers that was written beside it, or a LoRA that `resize` makes of it");
        }
        // Of another kind it may adapt other modules too, which is then not what is wrong.
        AdapterKind kind = to != null
                ? to.kind()
                : adapted.isEmpty() ? null : adapted.get(0).kind();
        if (kind != null && !kind.goesOnFrom(from.kind())) {
            throw refused("`spec.training.adapter.type` must be %1$s where `spec.training.initFrom` is a %1$s, was %2$s"
                    .formatted(from.kind().name(), kind.name()));
        }
        if (to == null) {
            throw refused(
                    "`spec.training.adapter.targets` must cover what `spec.training.initFrom` adapts, but leaves out "
                            + path);
        }
        String problem = to.kind().problemWith(from.kind());
        if (problem != null) {
            throw refused(problem.formatted(path));
        }
    }

    private static TrainerException refused(String sentence) {
        return new TrainerException(Reason.InvalidConfiguration, sentence);
    }

    /**
     * A flat array of all parts.
     *
     * @param values gives a projection's, on the CPU, in the manager that it is given
     */
    static NDArray arena(
            List<AdaptedProjection> plan,
            NDManager manager,
            BiFunction<AdaptedProjection, NDManager, Map<AdapterPart, NDArray>> values) {
        NDArray arena = manager.zeros(new Shape(size(plan)));
        for (AdaptedProjection p : plan) {
            try (NDManager scratch = manager.newSubManager(Device.cpu())) {
                values.apply(p, scratch).forEach((part, value) -> FlatArray.put(arena, p.offset(part), value));
            }
        }
        return arena;
    }
}
