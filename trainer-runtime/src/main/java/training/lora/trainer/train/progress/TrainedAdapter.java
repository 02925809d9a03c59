package training.lora.trainer.train.progress;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import training.lora.api.AdapterFormat;
import training.lora.api.Proof;
import training.lora.api.RunSpec;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.TokenEmbeddings;
import training.lora.trainer.export.ComfyWorkflow;
import training.lora.trainer.export.EdenFiles;
import training.lora.trainer.export.ExportMetadata;
import training.lora.trainer.export.ExportProof;
import training.lora.trainer.export.Exports;
import training.lora.trainer.export.TokenFiles;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.publish.Publisher;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.train.optimizer.OptimizerSet;
import training.lora.trainer.train.optimizer.ParameterTable;

/**
 * An adapter that is trained, with tokens or without; a checkpoint of it has each form that was asked for.
 *
 * @param adapter what moves
 * @param output gives the adapter that checkpoints are of, as it is when it is asked for
 * @param optimizers of what is trained
 * @param proof of what files do
 * @param workflow that goes beside kohya's form
 */
public record TrainedAdapter(
        RunSpec run,
        LoraAdapter adapter,
        Supplier<LoraAdapter> output,
        OptimizerSet optimizers,
        ExportProof proof,
        ComfyWorkflow workflow)
        implements Trained {
    @Override
    public List<ParameterTable> tables() {
        return optimizers.tables();
    }

    @Override
    public Map<String, LazyTensor> state() {
        Map<String, LazyTensor> state = new LinkedHashMap<>();
        optimizers.state().forEach((name, array) -> state.put(name, LazyTensor.of(array)));
        return state;
    }

    @Override
    public void restore(Map<String, LazyTensor> from) {
        NDManager owner = optimizers.state().values().iterator().next().getManager();
        try (NDManager scope = owner.newSubManager()) {
            optimizers.restore(LazyTensor.in(scope, from));
        }
    }

    @Override
    public Map<Component, Double> norms() {
        return adapter.norms();
    }

    @Override
    public LoraAdapter drawn() {
        return output.get();
    }

    @Override
    public List<Proof> write(Path folder, ExportMetadata described) throws IOException {
        LoraAdapter written = output.get();
        List<String> files = new ArrayList<>();
        TokenEmbeddings tokens = written.tokens();
        if (tokens != null) {
            TokenFiles.write(
                    folder,
                    tokens,
                    TrainingMetadata.ofTokens(described, run.spec().training()));
        }
        for (AdapterFormat format : run.spec().output().formats()) {
            if (format == AdapterFormat.Diffusers && written.projections().isEmpty()) {
                // It has no place for tokens, which are all that there is.
                continue;
            }
            if (format == AdapterFormat.A1111Baked) {
                continue;
            }
            String file = format == AdapterFormat.Kohya ? Publisher.kohyaName(run) : Publisher.DIFFUSERS;
            Exports.write(folder.resolve(file), format, written, described);
            files.add(file);
            if (format == AdapterFormat.Kohya) {
                workflow.write(folder.resolve(Publisher.WORKFLOW));
            }
        }
        if (run.spec().output().forEden()) {
            EdenFiles.write(folder.resolve(Publisher.EDEN), run, written, described);
        }
        List<Proof> proofs = new ArrayList<>(proof.prove(folder, files, written));
        if (run.spec().output().formats().contains(AdapterFormat.A1111Baked)) {
            String file = Publisher.bakedName(run);
            Exports.bake(
                    folder.resolve(file),
                    written,
                    proof.weights(),
                    described.titled(file.replaceFirst("\\.safetensors$", "")));
            proofs.add(proof.proveBaked(folder, file, written));
        }
        return proofs;
    }
}
