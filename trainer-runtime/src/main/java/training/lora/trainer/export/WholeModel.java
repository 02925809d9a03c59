package training.lora.trainer.export;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
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
import java.util.TreeMap;
import training.lora.api.AdapterFormat;
import training.lora.api.Json;
import training.lora.api.ModelFamily;
import training.lora.api.Precision;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.model.basemodel.DiffusersFolder;
import training.lora.trainer.model.basemodel.OriginalNames;
import training.lora.trainer.model.basemodel.Part;
import training.lora.trainer.model.basemodel.PartFiles;
import training.lora.trainer.model.basemodel.StoredWeights;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.model.weights.ModelFiles;
import training.lora.trainer.model.weights.Parameter;
import training.lora.trainer.model.weights.Stored;
import training.lora.trainer.tensor.Copy;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.SafeTensors;
import training.lora.trainer.tensor.SafeTensorsWriter;

/**
 * A model whose denoiser was trained, with the other parts of its base model: as a diffusers folder, or as one file in the
 * original layout ("ldm", "sgm"). The denoiser's weights are written in the types that they were trained in, all others in
 * those of the base model's files.
 */
public final class WholeModel {
    /** The denoiser's weights in a diffusers folder. */
    static final String UNET = "unet/diffusion_pytorch_model.safetensors";

    /** What names of files in fp16 have. */
    private static final String VARIANT = ".fp16";

    private static final String INDEX = "model_index.json";

    /** What the original code keeps a denoiser's average under; that of the base model is no average of what was trained. */
    private static final String AVERAGED = "model_ema.";

    private final Path base;
    private final UNet unet;

    /** @param base of whose model {@code unet} is the denoiser, a folder or a single file */
    public WholeModel(Path base, UNet unet) {
        this.base = base;
        this.unet = unet;
    }

    /**
     * Sees to it that {@code forms} can be written of the base model.
     *
     * @throws TrainerException InvalidConfiguration if not
     */
    public static void requireForms(Path base, List<AdapterFormat> forms) {
        if (forms.contains(AdapterFormat.Diffusers) && Files.isRegularFile(base)) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`spec.output.formats` must be [Kohya] with FullFineTuning where the base model is a single file, which has no folder's descriptions, was %s and %s"
                            .formatted(forms, base.getFileName()));
        }
    }

    private Map<String, LazyTensor> trained() {
        Map<String, LazyTensor> tensors = new LinkedHashMap<>();
        for (Parameter weight : unet.parameters().all()) {
            DataType type = weight.precision() == Precision.BFloat16 ? DataType.BFLOAT16 : DataType.FLOAT32;
            LazyTensor single = weight.single();
            tensors.put(weight.name(), new LazyTensor(single.shape(), type, single.make()));
        }
        return tensors;
    }

    /** Writes a diffusers folder, of a base model that is one. */
    public void writeFolder(Path folder) throws IOException {
        for (Path file : StoredWeights.filesOf(base)) {
            String name = file.toString().replace('\\', '/');
            boolean weights = name.endsWith(".safetensors") || name.contains(".safetensors.index.");
            boolean part = file.getNameCount() == 2
                    && PartFiles.COMPONENTS.contains(file.getName(0).toString());
            if (!part || name.startsWith("unet/") && weights) {
                continue;
            }
            // Beside a denoiser without a variant the others must have none either.
            Path target = folder.resolve(weights ? name.replace(VARIANT, "") : name);
            Files.createDirectories(target.getParent());
            if (weights && name.contains(".index.")) {
                Json.PRETTY.writeValue(target.toFile(), withoutVariant(base.resolve(file)));
            } else {
                Files.copy(base.resolve(file), target);
                target.toFile().setWritable(true);
            }
        }
        Json.PRETTY.writeValue(folder.resolve(INDEX).toFile(), index(folder));
        SafeTensorsWriter.writeLazy(folder.resolve(UNET), trained(), Map.of("format", "pt"));
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
        ObjectNode index = (ObjectNode) Json.MAPPER.readTree(base.resolve(INDEX).toFile());
        List<String> names = new ArrayList<>();
        index.fieldNames().forEachRemaining(names::add);
        for (String name : names) {
            if (index.get(name).isArray() && !Files.isDirectory(folder.resolve(name))) {
                index.putArray(name).addNull().addNull();
            }
        }
        return index;
    }

    /** Writes a file in the original layout. */
    public void writeFile(Path file, ExportMetadata metadata) throws IOException {
        List<SafeTensors> open = new ArrayList<>();
        try {
            Map<String, LazyTensor> tensors = Files.isRegularFile(base) ? ofFile(open) : ofFolder(open);
            if (metadata.prediction().equals("v")) {
                // What ComfyUI knows it by.
                tensors.putIfAbsent("v_pred", empty());
            }
            SafeTensorsWriter.writeLazy(file, tensors, metadata.ofWholeModel());
        } finally {
            open.forEach(SafeTensors::close);
        }
    }

    private static LazyTensor empty() {
        return new LazyTensor(new Shape(0), DataType.FLOAT32, scope -> scope.create(new Shape(0)));
    }

    /** The base model's tensors in their order, with the trained ones in the place of theirs. */
    private Map<String, LazyTensor> ofFile(List<SafeTensors> open) {
        OriginalNames names = new OriginalNames(ModelFamily.SD15, unet.config(), 0);
        Map<String, LazyTensor> trained = new TreeMap<>();
        trained().forEach((name, tensor) -> {
            Stored stored = names.place(Part.UNet, name);
            trained.put(Objects.requireNonNull(stored, name).key(), tensor);
        });
        SafeTensors file = SafeTensors.open(base);
        open.add(file);
        Map<String, LazyTensor> tensors = new LinkedHashMap<>();
        file.entries().forEach((key, entry) -> {
            LazyTensor other = trained.get(key);
            if (other != null) {
                // A linear map may be stored as a convolution.
                tensors.put(key, shaped(other, entry.shape()));
            } else if (SafeTensors.FLOATS.contains(entry.dtype()) && !key.startsWith(AVERAGED)) {
                // Integers are numbers of positions, which loaders make themselves.
                tensors.put(key, stored(file, key));
            }
        });
        return tensors;
    }

    private Map<String, LazyTensor> ofFolder(List<SafeTensors> open) {
        DiffusersFolder folder = DiffusersFolder.open(base);
        OriginalNames names = OriginalNames.of(folder);
        Map<String, List<LazyTensor>> parts = new TreeMap<>();
        for (Part part : Part.values()) {
            if (part == Part.TextEncoder2 && folder.family() != ModelFamily.SDXL) {
                continue;
            }
            Map<String, LazyTensor> tensors = part == Part.UNet ? trained() : stored(part, open);
            tensors.forEach((name, tensor) -> {
                Stored place = names.place(part, name);
                if (place != null) {
                    LazyTensor turned = place.transposed() ? transposed(tensor) : tensor;
                    long[] shape = OriginalNames.shape(
                            part, place.key(), turned.shape().getShape());
                    List<LazyTensor> all = parts.computeIfAbsent(place.key(), key -> new ArrayList<>());
                    while (all.size() < place.parts()) {
                        all.add(turned);
                    }
                    all.set(place.part(), shaped(turned, shape));
                }
            });
        }
        Map<String, LazyTensor> whole = new LinkedHashMap<>();
        parts.forEach((key, all) -> whole.put(key, all.size() == 1 ? all.get(0) : LazyTensor.joined(all)));
        return whole;
    }

    private Map<String, LazyTensor> stored(Part part, List<SafeTensors> open) {
        SafeTensors file = ModelFiles.weights(base.resolve(part.folder()), part.stem());
        open.add(file);
        Map<String, LazyTensor> tensors = new LinkedHashMap<>();
        file.entries().forEach((name, entry) -> {
            if (SafeTensors.FLOATS.contains(entry.dtype())) {
                tensors.put(name, stored(file, name));
            }
        });
        return tensors;
    }

    /** A tensor of the base model in its own type; of fp64 in fp32. */
    private static LazyTensor stored(SafeTensors file, String key) {
        SafeTensors.Entry entry = file.entry(key);
        Shape shape = new Shape(entry.shape());
        return switch (entry.dtype()) {
            case "F16" -> new LazyTensor(shape, DataType.FLOAT32, scope -> file.read(key, scope)).as(DataType.FLOAT16);
            case "BF16" -> new LazyTensor(shape, DataType.BFLOAT16, scope -> file.read(key, scope));
            default -> new LazyTensor(shape, DataType.FLOAT32, scope -> file.read(key, scope));
        };
    }

    private static LazyTensor shaped(LazyTensor tensor, long[] shape) {
        Shape other = new Shape(shape);
        return other.equals(tensor.shape())
                ? tensor
                : new LazyTensor(
                        other, tensor.type(), scope -> attached(tensor.in(scope).reshape(other), scope));
    }

    private static LazyTensor transposed(LazyTensor tensor) {
        Shape other = new Shape(tensor.shape().get(1), tensor.shape().get(0));
        return new LazyTensor(
                other,
                tensor.type(),
                scope -> attached(tensor.in(scope).transpose().duplicate(), scope));
    }

    private static NDArray attached(NDArray array, NDManager scope) {
        array.attach(scope);
        return array;
    }

    /** Where the denoiser's weight {@code name} is in a file that this class writes; {@code folder}: in a folder's. */
    private static String key(OriginalNames names, String name, boolean folder) {
        Stored place = folder ? Stored.whole(name) : names.place(Part.UNet, name);
        return Objects.requireNonNull(place, name).key();
    }

    /** Goes through the denoiser's weights and the tensors of {@code file}, which this class wrote. */
    private static void each(UNet unet, Path file, Pair taker) {
        OriginalNames names = new OriginalNames(ModelFamily.SD15, unet.config(), 0);
        try (SafeTensors opened = SafeTensors.open(file)) {
            boolean folder = file.endsWith(UNET);
            for (Parameter weight : unet.parameters().all()) {
                try (NDManager scope = weight.array().getManager().newSubManager()) {
                    NDArray values = opened.read(key(names, weight.name(), folder), scope);
                    taker.take(weight, values.reshape(new Shape(weight.shape())), scope);
                }
            }
        }
    }

    private interface Pair {
        /** @param values as files have them, fp32 */
        void take(Parameter weight, NDArray values, NDManager scope);
    }

    /** Puts the denoiser's weights of {@code file}, which this class wrote, into {@code unet}. */
    public static void load(Path file, UNet unet) {
        each(unet, file, (weight, values, scope) -> Copy.into(weight.array(), values));
    }

    /** The greatest distance of weights of {@code file} from those that were trained, over the greatest weight. */
    public double distance(Path file) {
        double[] found = {0, 0};
        each(unet, file, (weight, values, scope) -> {
            NDArray own = weight.single().in(scope);
            found[0] = Math.max(found[0], values.sub(own).abs().max().getFloat());
            found[1] = Math.max(found[1], own.abs().max().getFloat());
        });
        return found[1] == 0 ? found[0] : found[0] / found[1];
    }
}
