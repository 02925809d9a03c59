package training.lora.trainer.merge;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.export.AdapterFile;
import training.lora.trainer.export.AdapterFiles;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.model.unet.UNet;

/** What adapters at their shares add to the weights of a model's projections; their files are open until it is closed. */
final class AddedChanges implements AutoCloseable {
    private final List<AdapterFile> files = new ArrayList<>();

    /** By the projection's path. */
    private final Map<String, List<Term>> terms = new HashMap<>();

    /** Some of an adapter beside a weight. */
    private record Term(LoraAdapter.Factors factors, double share) {}

    private AddedChanges() {}

    /**
     * Those of {@code adapters}.
     *
     * @param outline the model's denoiser, without weights
     * @throws training.lora.trainer.TrainerException InvalidConfiguration if one doesn't fit the model, or bundles embeddings
     */
    static AddedChanges open(List<Weighted> adapters, StableDiffusion model, UNet outline) {
        AddedChanges changes = new AddedChanges();
        try {
            List<Projection> projections = AdapterFiles.projections(model, outline);
            for (Weighted adapter : adapters) {
                AdapterFile file = AdapterFiles.open(adapter.file(), model, outline);
                changes.files.add(file);
                AdapterFiles.factors(adapter.merged(file), projections).forEach((path, factors) -> changes.terms
                        .computeIfAbsent(path, p -> new ArrayList<>())
                        .add(new Term(factors, adapter.share())));
            }
            return changes;
        } catch (RuntimeException e) {
            changes.close();
            throw e;
        }
    }

    /** Whether the weight of {@code projection} is another with them. */
    boolean affect(Projection projection) {
        return terms.containsKey(projection.path());
    }

    /**
     * The weight of {@code projection} with them: the sum of what each adds to the weight itself, so that their order doesn't
     * matter.
     *
     * @param frozen (out, fan in), fp32, of {@code scope}
     */
    NDArray added(Projection projection, NDArray frozen, NDManager scope) {
        NDArray sum = frozen;
        for (Term term : Objects.requireNonNull(terms.get(projection.path()), projection::path)) {
            sum = sum.add(term.factors().change(frozen, scope).mul(term.share()));
        }
        return sum;
    }

    @Override
    public void close() {
        files.forEach(AdapterFile::close);
    }
}
