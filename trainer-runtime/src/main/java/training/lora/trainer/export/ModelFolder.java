package training.lora.trainer.export;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.basemodel.FolderCopy;
import training.lora.trainer.model.basemodel.FolderDescription;
import training.lora.trainer.model.basemodel.Part;
import training.lora.trainer.model.basemodel.PartFiles;
import training.lora.trainer.model.basemodel.SingleFile;
import training.lora.trainer.model.basemodel.StoredWeights;
import training.lora.trainer.model.weights.Layout;
import training.lora.trainer.model.weights.Parameter;
import training.lora.trainer.model.weights.Stored;
import training.lora.trainer.tensor.ComputeDevice;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.SafeTensors;
import training.lora.trainer.tensor.SafeTensorsWriter;

/**
 * Writes a model in which parts were trained as a diffusers folder.
 *
 * @param base the model that it was before, a folder or a single file
 * @param trained the weights that were trained of each part, by the names of the project's networks
 */
record ModelFolder(Path base, Map<Part, Map<String, LazyTensor>> trained) {
    /** The file of a part's weights in a folder that is written. */
    static String weights(Part part) {
        return part.folder() + "/" + part.stem() + ".safetensors";
    }

    /** Writes it into {@code folder}, which need not be there. */
    void write(Path folder) throws IOException {
        if (Files.isRegularFile(base)) {
            ofFile(folder);
        } else {
            ofFolder(folder);
        }
    }

    private static void write(Path folder, Part part, Map<String, LazyTensor> tensors) throws IOException {
        SafeTensorsWriter.writeLazy(folder.resolve(weights(part)), tensors, Map.of("format", "pt"));
    }

    private void ofFile(Path folder) throws IOException {
        SingleFile single = SingleFile.open(base);
        FolderDescription description = new FolderDescription(single);
        description.write(folder);
        try (NDManager manager = ComputeDevice.CPU.newManager();
                StableDiffusion model = StableDiffusion.open(base, manager);
                SafeTensors file = SafeTensors.open(base)) {
            for (Part part : description.parts()) {
                Map<String, LazyTensor> tensors = stored(single, part, model.parameters(part), file);
                tensors.putAll(trained.getOrDefault(part, Map.of()));
                write(folder, part, tensors);
            }
        }
    }

    private static Map<String, LazyTensor> stored(
            SingleFile single, Part part, List<Parameter> weights, SafeTensors file) {
        Layout places = single.layout(part);
        Map<String, LazyTensor> tensors = new LinkedHashMap<>();
        for (Parameter weight : weights) {
            Stored stored = Objects.requireNonNull(places.place(weight.name()), weight.name());
            tensors.put(weight.name(), StoredTensors.of(file, stored, weight.shape()));
        }
        return tensors;
    }

    private void ofFolder(Path folder) throws IOException {
        FolderCopy.of(base).write(folder, this::isCopied);
        try (StoredWeights names = StoredWeights.open(base)) {
            for (Map.Entry<Part, Map<String, LazyTensor>> part : trained.entrySet()) {
                Map<String, LazyTensor> tensors = StoredTensors.floats(names.file(part.getKey()));
                part.getValue()
                        .forEach((name, tensor) -> tensors.put(
                                Objects.requireNonNull(names.find(part.getKey().folder(), name), name)
                                        .stored()
                                        .key(),
                                tensor));
                write(folder, part.getKey(), tensors);
            }
        }
    }

    /** Whether {@code file}, relative to the base model, is a file of a part, but no weights of one that was trained. */
    private boolean isCopied(Path file) {
        String of = file.getName(0).toString();
        return file.getNameCount() == 2
                && PartFiles.COMPONENTS.contains(of)
                && !(FolderCopy.isWeights(file)
                        && trained.keySet().stream().anyMatch(p -> p.folder().equals(of)));
    }
}
