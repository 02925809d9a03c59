package training.lora.trainer.train.progress;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.api.AdapterFormat;
import training.lora.api.Proof;
import training.lora.api.RunSpec;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.export.ExportMetadata;
import training.lora.trainer.export.WholeModel;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.publish.Publisher;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.train.optimizer.FusedOptimizer;
import training.lora.trainer.train.optimizer.ParameterTable;

/**
 * Parts of a model whose own weights are trained; a checkpoint of them is the whole model in each form that was asked for.
 *
 * @param model that they are parts of
 * @param optimizer what moves them
 */
public record TrainedModel(RunSpec run, WholeModel model, FusedOptimizer optimizer) implements Trained {
    @Override
    public List<ParameterTable> tables() {
        return optimizer.tables();
    }

    @Override
    public Map<String, LazyTensor> state() {
        return optimizer.state();
    }

    @Override
    public void restore(Map<String, LazyTensor> from) {
        optimizer.restore(from);
    }

    @Override
    public Map<Component, Double> norms() {
        return optimizer.norms();
    }

    @Override
    public @Nullable LoraAdapter drawn() {
        return null;
    }

    /** Files prove themselves by their weights, which are those that were trained. */
    @Override
    public List<Proof> write(Path folder, ExportMetadata described) throws IOException {
        List<Proof> proofs = new ArrayList<>();
        for (AdapterFormat format : run.spec().output().formats()) {
            if (format == AdapterFormat.Kohya) {
                String name = Publisher.kohyaName(run);
                model.writeFile(folder.resolve(name), described);
                proofs.addAll(proofs(folder, name, List.of(name)));
            } else {
                model.writeFolder(folder.resolve(Publisher.MODEL));
                List<String> names = model.trainedFiles().stream()
                        .map(file -> Publisher.MODEL + file)
                        .toList();
                proofs.addAll(proofs(folder, Publisher.TRAINED_UNET, names));
            }
        }
        return proofs;
    }

    /**
     * Proofs of the files of one form.
     *
     * @param main by which the form is read
     * @param names of its files of weights that were trained
     */
    private List<Proof> proofs(Path folder, String main, List<String> names) throws IOException {
        double distance = model.distance(folder.resolve(main));
        if (distance != 0) {
            throw new IllegalStateException(
                    "%s must have the weights that were trained, but differs by %s".formatted(main, distance));
        }
        List<Proof> proofs = new ArrayList<>();
        for (String name : names) {
            proofs.add(new Proof(name, Sha256.of(folder.resolve(name)), distance, 0.0));
        }
        return proofs;
    }
}
