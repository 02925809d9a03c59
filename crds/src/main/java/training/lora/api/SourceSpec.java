package training.lora.api;

import java.util.ArrayList;
import java.util.List;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/** Something that a run reads. */
public sealed interface SourceSpec
        permits BaseModelSpec, VaeSpec, BaseAdapterSpec, ClipSpec, AestheticSpec, InitFromSpec, DatasetSpec, ModelSpec {
    /** Where it is. */
    String uri();

    /** Digest of the file that it must be. */
    @Nullable String sha256();

    /** What opens the place. */
    @Nullable SecretRef secretRef();

    /**
     * A source and where it stands.
     *
     * @param field its path in the resource, such as spec.baseModel
     */
    record Named(String field, SourceSpec source) {}

    /** All that {@code spec} names, in the order in which they are read. */
    static List<Named> of(LoraTrainingSpec spec) {
        List<Named> all = new ArrayList<>();
        BiConsumer<String, @Nullable SourceSpec> add = (field, source) -> {
            if (source != null) {
                all.add(new Named(field, source));
            }
        };
        BaseModelSpec base = spec.baseModel();
        add.accept("spec.baseModel", base);
        add.accept("spec.baseModel.vae", base == null ? null : base.vae());
        List<BaseAdapterSpec> merged = base == null ? List.of() : base.merged();
        for (int i = 0; i < merged.size(); i++) {
            add.accept("spec.baseModel.adapters[" + i + "]", merged.get(i));
        }
        for (int i = 0; i < spec.datasets().size(); i++) {
            add.accept("spec.datasets[" + i + "]", spec.datasets().get(i));
        }
        add.accept("spec.preparation.mask.model", spec.preparation().mask().model());
        add.accept(
                "spec.preparation.upscale.model", spec.preparation().upscale().model());
        add.accept(
                "spec.preparation.captions.model", spec.preparation().captions().model());
        SafetySpec safety = spec.preparation().safety();
        add.accept("spec.preparation.safety.model", safety == null ? null : safety.model());
        add.accept("spec.training.initFrom", spec.training().initFrom());
        add.accept("spec.evaluation.clip", spec.evaluation().clip());
        add.accept("spec.evaluation.aesthetic", spec.evaluation().aesthetic());
        add.accept("spec.evaluation.faces", spec.evaluation().faces());
        return all;
    }
}
