package training.lora.trainer.merge;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.export.AdapterFile;
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
        Map<Component, Changes> changes = new EnumMap<>(Component.class);
        List<AdapterFile> files = new ArrayList<>();
        try (UNet outline = model.outline(manager)) {
            List<Projection> projections = AdapterFiles.projections(model, outline);
            for (Weighted adapter : adapters) {
                AdapterFile file = AdapterFiles.open(adapter.file(), model, outline);
                files.add(file);
                LoraFiles.requireNoTokens(file);
                Map<String, LoraAdapter.Factors> factors = AdapterFiles.factors(file, projections);
                for (Projection p : projections) {
                    LoraAdapter.Factors own = factors.get(p.path());
                    if (own != null) {
                        changes.computeIfAbsent(p.component(), c -> new Changes(new HashMap<>()))
                                .add(p, new Term(own, adapter.share()));
                    }
                }
            }
            model.change(changes, () -> files.forEach(AdapterFile::close));
        } catch (RuntimeException e) {
            files.forEach(AdapterFile::close);
            throw e;
        }
    }

    /** Some of an adapter beside a weight. */
    private record Term(LoraAdapter.Factors factors, double share) {}

    /**
     * What is added to the weights of a network.
     *
     * @param terms by the weight's name
     */
    private record Changes(Map<String, List<Term>> terms) implements WeightChanges {
        void add(Projection projection, Term term) {
            terms.computeIfAbsent(projection.modulePath() + ".weight", name -> new ArrayList<>())
                    .add(term);
        }

        @Override
        public boolean affects(String name) {
            return terms.containsKey(name);
        }

        @Override
        public NDArray changed(String name, NDArray weight, NDManager scope) {
            NDArray frozen = weight.reshape(weight.getShape().get(0), -1);
            frozen.attach(scope);
            NDArray sum = frozen;
            for (Term term : Objects.requireNonNull(terms.get(name), name)) {
                sum = sum.add(term.factors().change(frozen, scope).mul(term.share()));
            }
            return sum.reshape(weight.getShape());
        }
    }
}
