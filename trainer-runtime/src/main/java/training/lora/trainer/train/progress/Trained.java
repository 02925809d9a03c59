package training.lora.trainer.train.progress;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.api.Proof;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.export.ExportMetadata;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.train.optimizer.ParameterTable;

/** What a training moves, as its states and checkpoints have it. */
public interface Trained {
    /** How it moves: a table for each optimizer whose rates are its own. */
    List<ParameterTable> tables();

    /** All that the next step depends on but its rates, by name. */
    Map<String, LazyTensor> state();

    /**
     * Puts back what {@link #state} gave.
     *
     * @param from tensors of the same names and shapes
     */
    void restore(Map<String, LazyTensor> from);

    /** Norms by which it is judged whether it has collapsed, of each part of the model. */
    Map<Component, Double> norms();

    /**
     * Writes the files of a checkpoint into {@code folder}, and proves them.
     *
     * @param described what they say of themselves
     */
    List<Proof> write(Path folder, ExportMetadata described) throws IOException;

    /** What is put beside the model where it draws; null where the model itself is what was trained. */
    @Nullable LoraAdapter drawn();
}
