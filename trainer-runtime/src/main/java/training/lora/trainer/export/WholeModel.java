package training.lora.trainer.export;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import training.lora.api.ModelFamily;
import training.lora.api.Precision;
import training.lora.api.Prediction;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.basemodel.DiffusersFolder;
import training.lora.trainer.model.basemodel.OriginalNames;
import training.lora.trainer.model.basemodel.Part;
import training.lora.trainer.model.basemodel.Schedule;
import training.lora.trainer.model.basemodel.SingleFile;
import training.lora.trainer.model.basemodel.StoredWeights;
import training.lora.trainer.model.weights.ModelFiles;
import training.lora.trainer.model.weights.Parameter;
import training.lora.trainer.model.weights.Stored;
import training.lora.trainer.tensor.ComputeDevice;
import training.lora.trainer.tensor.Copy;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.SafeTensors;
import training.lora.trainer.tensor.SafeTensorsWriter;

/**
 * A model of which parts were trained, with the other parts of its base model: as a diffusers folder, or as one file in the
 * original layout ("ldm", "sgm"). Trained weights are written in the types that they were trained in, all others, such as
 * those of a text encoder's layers that nothing is read of, as they are in the base model's files.
 */
public final class WholeModel {
    /** The denoiser's weights in a diffusers folder. */
    static final String UNET = ModelFolder.weights(Part.UNet);

    /** What the original code keeps a denoiser's average under; that of the base model is no average of what was trained. */
    private static final String AVERAGED = "model_ema.";

    private final Path base;
    private final Map<Part, List<Parameter>> weights;
    private final Function<Parameter, LazyTensor> output;

    /**
     * @param base the model that it was, a folder or a single file
     * @param weights that were trained, of each part
     * @param output what is written of each of them, fp32
     */
    private WholeModel(Path base, Map<Part, List<Parameter>> weights, Function<Parameter, LazyTensor> output) {
        this.base = base;
        this.weights = new EnumMap<>(weights);
        this.output = output;
    }

    /**
     * The model of {@code base}, of which parts are trained that are in {@code model}.
     *
     * @param texts whether text encoders are trained beside the denoiser
     */
    public static WholeModel of(Path base, StableDiffusion model, boolean texts) {
        return new WholeModel(base, trained(model, texts), Parameter::single);
    }

    /**
     * The same with something else in the place of the weights.
     *
     * @param other what is written of a weight, fp32, as rounded as the weight is
     */
    public WholeModel with(Function<Parameter, LazyTensor> other) {
        return new WholeModel(base, weights, other);
    }

    private static Map<Part, List<Parameter>> trained(StableDiffusion model, boolean texts) {
        Map<Part, List<Parameter>> weights =
                new EnumMap<>(Map.of(Part.UNet, model.unet().parameters().all()));
        if (texts) {
            weights.putAll(model.prompts().weights());
        }
        return weights;
    }

    private Map<String, LazyTensor> trained(List<Parameter> part) {
        Map<String, LazyTensor> tensors = new LinkedHashMap<>();
        for (Parameter weight : part) {
            DataType type = weight.precision() == Precision.BFloat16 ? DataType.BFLOAT16 : DataType.FLOAT32;
            LazyTensor single = output.apply(weight);
            tensors.put(weight.name(), new LazyTensor(single.shape(), type, single.make()));
        }
        return tensors;
    }

    /** Writes a diffusers folder. */
    public void writeFolder(Path folder) throws IOException {
        Map<Part, Map<String, LazyTensor>> trained = new EnumMap<>(Part.class);
        weights.forEach((part, own) -> trained.put(part, trained(own)));
        new ModelFolder(base, trained).write(folder);
    }

    /** The files of weights that were trained in a folder that {@link #writeFolder} writes, relative to it. */
    public List<String> trainedFiles() {
        return weights.keySet().stream().map(ModelFolder::weights).toList();
    }

    /** Writes a file in the original layout. */
    public void writeFile(Path file, ExportMetadata metadata) throws IOException {
        List<SafeTensors> open = new ArrayList<>();
        try {
            Map<String, LazyTensor> tensors = Files.isRegularFile(base) ? ofFile(open) : ofFolder(open);
            mark(tensors);
            SafeTensorsWriter.writeLazy(file, tensors, metadata.ofWholeModel());
        } finally {
            open.forEach(SafeTensors::close);
        }
    }

    /** Adds the empty tensors by which ComfyUI, and this project, know the noise that a single file was trained with. */
    private void mark(Map<String, LazyTensor> tensors) {
        try (NDManager manager = ComputeDevice.CPU.newManager();
                StableDiffusion model = StableDiffusion.open(base, manager)) {
            Schedule schedule = model.schedule();
            if (schedule.prediction() == Prediction.V) {
                tensors.putIfAbsent("v_pred", empty());
            }
            if (schedule.zeroTerminalSnr()) {
                tensors.putIfAbsent("ztsnr", empty());
            }
        }
    }

    private static LazyTensor empty() {
        return new LazyTensor(new Shape(0), DataType.FLOAT32, scope -> scope.create(new Shape(0)));
    }

    /** The base model's tensors in their order, with the trained ones in the place of theirs. */
    private Map<String, LazyTensor> ofFile(List<SafeTensors> open) {
        Places trained = new Places();
        weights.forEach((part, own) -> trained.add(part, trained(own), places(part)));
        Map<String, LazyTensor> moved = trained.whole();
        SafeTensors file = SafeTensors.open(base);
        open.add(file);
        Map<String, LazyTensor> tensors = new LinkedHashMap<>();
        file.entries().forEach((key, entry) -> {
            LazyTensor other = moved.get(key);
            if (other != null) {
                // A linear map may be stored as a convolution.
                tensors.put(key, StoredTensors.shaped(other, entry.shape()));
            } else if (SafeTensors.FLOATS.contains(entry.dtype()) && !key.startsWith(AVERAGED)) {
                // Integers are numbers of positions, which loaders make themselves.
                tensors.put(key, StoredTensors.of(file, key));
            }
        });
        return tensors;
    }

    private Map<String, LazyTensor> ofFolder(List<SafeTensors> open) {
        DiffusersFolder folder = DiffusersFolder.open(base);
        OriginalNames names = OriginalNames.of(folder);
        Places places = new Places();
        for (Part part : Part.values()) {
            if (part == Part.TextEncoder2 && folder.family() != ModelFamily.SDXL) {
                continue;
            }
            places.add(part, stored(part, open), name -> names.place(part, name));
            List<Parameter> own = weights.get(part);
            if (own != null) {
                places.add(part, trained(own), name -> names.place(part, name));
            }
        }
        return places.whole();
    }

    /** Tensors of networks in the original layout, where several may be one. */
    private static final class Places {
        private final Map<String, List<LazyTensor>> parts = new TreeMap<>();

        /** @param place where a tensor goes; null for nowhere */
        void add(Part part, Map<String, LazyTensor> tensors, Function<String, @Nullable Stored> place) {
            tensors.forEach((name, tensor) -> {
                Stored stored = place.apply(name);
                if (stored != null) {
                    LazyTensor turned = stored.transposed() ? StoredTensors.transposed(tensor) : tensor;
                    long[] shape = OriginalNames.shape(
                            part, stored.key(), turned.shape().getShape());
                    List<LazyTensor> all = parts.computeIfAbsent(stored.key(), key -> new ArrayList<>());
                    while (all.size() < stored.parts()) {
                        all.add(turned);
                    }
                    all.set(stored.part(), StoredTensors.shaped(turned, shape));
                }
            });
        }

        Map<String, LazyTensor> whole() {
            Map<String, LazyTensor> whole = new LinkedHashMap<>();
            parts.forEach((key, all) -> whole.put(key, all.size() == 1 ? all.get(0) : LazyTensor.joined(all)));
            return whole;
        }
    }

    private Map<String, LazyTensor> stored(Part part, List<SafeTensors> open) {
        SafeTensors file = ModelFiles.weights(base.resolve(part.folder()), part.stem());
        open.add(file);
        return StoredTensors.floats(file);
    }

    /** The folder whose denoiser's weights are in {@code file}. */
    private static Path folder(Path file) {
        return file.resolveSibling("..").normalize();
    }

    private interface Pair {
        /** @param values as files have them, fp32 */
        void take(Parameter weight, NDArray values, NDManager scope);
    }

    /** Where a file in the original layout that this class writes has what a network of {@code part} calls so. */
    private Function<String, @Nullable Stored> places(Part part) {
        if (Files.isRegularFile(base)) {
            return SingleFile.open(base).layout(part)::place;
        }
        OriginalNames names = OriginalNames.of(DiffusersFolder.open(base));
        return name -> names.place(part, name);
    }

    /** Goes through trained weights and the tensors of {@code file}, which this class wrote. */
    private void each(Path file, Pair taker) {
        if (file.endsWith(UNET)) {
            try (StoredWeights folder = StoredWeights.open(folder(file))) {
                weights.forEach((part, own) ->
                        own.forEach(weight -> take(weight, folder.find(part.folder(), weight.name()), taker)));
            }
            return;
        }
        try (SafeTensors opened = SafeTensors.open(file)) {
            weights.forEach((part, own) -> {
                Function<String, @Nullable Stored> places = places(part);
                for (Parameter weight : own) {
                    Stored stored = places.apply(weight.name());
                    take(weight, stored == null ? null : new StoredWeights.Weight(opened, stored), taker);
                }
            });
        }
    }

    private static void take(Parameter weight, StoredWeights.@Nullable Weight found, Pair taker) {
        StoredWeights.Weight there = Objects.requireNonNull(found, weight.name());
        try (NDManager scope = weight.array().getManager().newSubManager()) {
            LazyTensor values = StoredTensors.of(there.file(), there.stored(), weight.shape());
            taker.take(weight, values.in(scope), scope);
        }
    }

    /** Puts what was trained, of {@code file}, which this class wrote, into the model. */
    public void load(Path file) {
        each(file, (weight, values, scope) -> Copy.into(weight.array(), values));
    }

    /**
     * The digest of what was trained in {@code file}, which this class wrote: of a folder, whose denoiser's file it is, of its
     * text encoders' files too.
     */
    public static String digest(Path file) throws IOException {
        String digest = Sha256.of(file);
        if (file.endsWith(UNET)) {
            for (Part part : List.of(Part.TextEncoder, Part.TextEncoder2)) {
                Path beside = folder(file).resolve(ModelFolder.weights(part));
                if (Files.isRegularFile(beside)) {
                    digest = Sha256.of(digest + " " + Sha256.of(beside));
                }
            }
        }
        return digest;
    }

    /** The greatest distance of weights of {@code file} from those that it was to have, over the greatest weight. */
    public double distance(Path file) {
        double[] found = {0, 0};
        each(file, (weight, values, scope) -> {
            NDArray own = output.apply(weight).in(scope);
            found[0] = Math.max(found[0], values.sub(own).abs().max().getFloat());
            found[1] = Math.max(found[1], own.abs().max().getFloat());
        });
        return found[1] == 0 ? found[0] : found[0] / found[1];
    }
}
