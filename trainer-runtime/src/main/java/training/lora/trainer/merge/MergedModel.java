package training.lora.trainer.merge;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import training.lora.trainer.export.AdapterFiles;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.model.weights.WeightChanges;

/** A model whose weights hold adapters from when they are read on, as {@link CheckpointMerge} would have put them there. */
public final class MergedModel {
    private MergedModel() {}

    /**
     * Puts {@code adapters} into {@code model}, of which no part may have been read. Their files stay open as long as the
     * model.
     *
     * @throws training.lora.trainer.TrainerException InvalidConfiguration if one doesn't fit the model, or bundles embeddings
     */
    public static void merge(List<Weighted> adapters, StableDiffusion model, NDManager manager) {
        try (UNet outline = model.outline(manager)) {
            AddedChanges added = AddedChanges.open(adapters, model, outline);
            Map<Component, Changes> changes = new EnumMap<>(Component.class);
            for (Projection p : AdapterFiles.projections(model, outline)) {
                if (added.affect(p)) {
                    changes.computeIfAbsent(p.component(), c -> new Changes(added, new HashMap<>()))
                            .projections()
                            .put(p.modulePath() + ".weight", p);
                }
            }
            try {
                model.change(changes, added::close);
            } catch (RuntimeException e) {
                added.close();
                throw e;
            }
        }
    }

    /**
     * Those of a network.
     *
     * @param projections by the weight's name
     */
    private record Changes(AddedChanges added, Map<String, Projection> projections) implements WeightChanges {
        @Override
        public boolean affects(String name) {
            return projections.containsKey(name);
        }

        @Override
        public NDArray changed(String name, NDArray weight, NDManager scope) {
            NDArray frozen = weight.reshape(weight.getShape().get(0), -1);
            frozen.attach(scope);
            return added.added(Objects.requireNonNull(projections.get(name), name), frozen, scope)
                    .reshape(weight.getShape());
        }
    }
}
