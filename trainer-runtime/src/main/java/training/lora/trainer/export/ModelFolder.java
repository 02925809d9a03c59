package training.lora.trainer.export;

import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import training.lora.api.Json;
import training.lora.trainer.model.StableDiffusion;
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
    /** What names of files in fp16 have. */
    private static final String VARIANT = ".fp16";

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
        for (Path file : StoredWeights.filesOf(base)) {
            String name = file.toString().replace('\\', '/');
            String of = file.getName(0).toString();
            boolean weights = name.endsWith(".safetensors") || name.contains(".safetensors.index.");
            boolean part = file.getNameCount() == 2 && PartFiles.COMPONENTS.contains(of);
            if (!part
                    || weights
                            && trained.keySet().stream()
                                    .anyMatch(p -> p.folder().equals(of))) {
                continue;
            }
            // Beside trained parts, which have no variant, the others must have none either.
            Path target = folder.resolve(weights ? name.replace(VARIANT, "") : name);
            Files.createDirectories(target.getParent());
            if (weights && name.contains(".index.")) {
                Json.PRETTY.writeValue(target.toFile(), withoutVariant(base.resolve(file)));
            } else {
                Files.copy(base.resolve(file), target);
                target.toFile().setWritable(true);
            }
        }
        Json.PRETTY.writeValue(folder.resolve(PartFiles.INDEX).toFile(), index(folder));
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

    /** An index of shards, which names them as they are written. */
    private static JsonNode withoutVariant(Path index) throws IOException {
        JsonNode all = Json.MAPPER.readTree(index.toFile());
        if (all.get("weight_map") instanceof ObjectNode places) {
            places.properties()
                    .forEach(e ->
                            e.setValue(TextNode.valueOf(e.getValue().asText().replace(VARIANT, ""))));
        }
        return all;
    }

    /** The base model's, in which parts that are not there are none: loaders look for all that it names. */
    private ObjectNode index(Path folder) throws IOException {
        ObjectNode index =
                (ObjectNode) Json.MAPPER.readTree(base.resolve(PartFiles.INDEX).toFile());
        List<String> names = new ArrayList<>();
        index.fieldNames().forEachRemaining(names::add);
        for (String name : names) {
            if (index.get(name).isArray() && !Files.isDirectory(folder.resolve(name))) {
                index.putArray(name).addNull().addNull();
            }
        }
        return index;
    }
}
