package training.lora.trainer.export;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.AdapterFormat;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.adapter.AdapterModule;
import training.lora.trainer.adapter.ModuleForm;
import training.lora.trainer.export.TensorName.Part;
import training.lora.trainer.model.Component;
import training.lora.trainer.model.UNetStateDictAdapter;
import training.lora.trainer.tensor.ComputeDevice;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.SafeTensors;

/** A LoRA's file in kohya's or diffusers' form; its modules are read one at a time. */
public final class AdapterFile implements AutoCloseable {
    private final SafeTensors file;
    private final AdapterFormat format;
    private final PeftConfig config;
    private final Map<ModuleName, Map<Part, String>> modules;
    private final @Nullable LoraFamily family;

    private record ModuleName(Component component, String path) {}

    private AdapterFile(SafeTensors file, UNetStateDictAdapter paths) {
        this.file = file;
        format = format(file);
        config = PeftConfig.of(file);
        modules = new LinkedHashMap<>();
        List<String> foreign = new ArrayList<>();
        for (String tensor : file.entries().keySet()) {
            TensorName name = format == AdapterFormat.Kohya ? KohyaNames.parse(tensor, paths) : PeftNames.parse(tensor);
            if (name == null) {
                foreign.add(tensor);
            } else {
                modules.computeIfAbsent(
                                new ModuleName(name.component(), name.path()), module -> new EnumMap<>(Part.class))
                        .put(name.part(), tensor);
            }
        }
        modules.forEach((module, parts) -> {
            if (!parts.containsKey(Part.Down) || !parts.containsKey(Part.Up)) {
                foreign.add(parts.values().iterator().next() + " without its other factor");
            }
        });
        if (!foreign.isEmpty()) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    file.file() + " must be a LoRA with nothing but its factors, but holds "
                            + String.join(", ", foreign.subList(0, Math.min(5, foreign.size()))));
        }
        Map<String, Shape> shapes = new LinkedHashMap<>();
        modules.forEach((module, parts) ->
                shapes.put(LoraFamily.key(module.component(), module.path()), shape(parts, Part.Down)));
        family = LoraFamily.of(file.metadata(), shapes);
    }

    /** Opens a file for the published models of its family. */
    public static AdapterFile open(Path file) {
        return open(file, LoraFamily.SDXL.paths());
    }

    /**
     * Opens a file.
     *
     * @param paths names of the base model's UNet in the original code
     * @throws TrainerException InvalidConfiguration if it is something else
     */
    public static AdapterFile open(Path file, UNetStateDictAdapter paths) {
        SafeTensors tensors = SafeTensors.open(file);
        try {
            return new AdapterFile(tensors, paths);
        } catch (RuntimeException e) {
            tensors.close();
            throw e;
        }
    }

    private static AdapterFormat format(SafeTensors file) {
        FileKind kind = FileKind.of(file);
        if (kind.role() != FileKind.Role.Adapter) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    file.file() + " must be a LoRA of Stable Diffusion 1.x or XL in kohya's or diffusers' form, but is "
                            + kind.what());
        }
        return file.entries().keySet().stream().anyMatch(KohyaNames::prefixed)
                ? AdapterFormat.Kohya
                : AdapterFormat.Diffusers;
    }

    /** Its form. */
    public AdapterFormat format() {
        return format;
    }

    /** The family of its base model, null if nothing tells. */
    public @Nullable LoraFamily family() {
        return family;
    }

    /** What it says of itself. */
    public Map<String, String> metadata() {
        return file.metadata();
    }

    /** The type that holds every factor without a loss: fp16 if all of them are, else fp32. */
    DataType type() {
        boolean halves = modules.values().stream()
                .flatMap(parts -> Stream.of(parts.get(Part.Down), parts.get(Part.Up)))
                .allMatch(tensor ->
                        file.entry(Objects.requireNonNull(tensor)).dtype().equals("F16"));
        return halves ? DataType.FLOAT16 : DataType.FLOAT32;
    }

    /** The file. */
    public Path file() {
        return file.file();
    }

    /** The modules in the file's order; their values can be read until it is closed. */
    public List<AdapterModule> modules() {
        return modules.entrySet().stream()
                .map(e -> module(e.getKey(), e.getValue()))
                .toList();
    }

    private AdapterModule module(ModuleName name, Map<Part, String> parts) {
        int rank = (int) shape(parts, Part.Down).get(0);
        double alpha = parts.containsKey(Part.Alpha) ? alpha(parts) : config.alpha(name.component(), name.path(), rank);
        boolean stabilized = config.rankStabilized(name.component());
        ModuleForm form;
        try {
            form = new ModuleForm(
                    name.component(), name.path(), shape(parts, Part.Down), shape(parts, Part.Up), alpha, stabilized);
        } catch (IllegalArgumentException e) {
            throw new TrainerException(
                    Reason.InvalidConfiguration, file.file() + " must be a whole LoRA, but: " + e.getMessage(), e);
        }
        return new AdapterModule(form, tensor(parts, Part.Down), tensor(parts, Part.Up));
    }

    private Shape shape(Map<Part, String> parts, Part part) {
        return new Shape(file.entry(Objects.requireNonNull(parts.get(part))).shape());
    }

    private LazyTensor tensor(Map<Part, String> parts, Part part) {
        String name = Objects.requireNonNull(parts.get(part));
        return new LazyTensor(shape(parts, part), DataType.FLOAT32, scope -> file.read(name, scope));
    }

    private double alpha(Map<Part, String> parts) {
        try (NDManager scope = ComputeDevice.CPU.newManager()) {
            return tensor(parts, Part.Alpha).in(scope).toFloatArray()[0];
        }
    }

    @Override
    public void close() {
        file.close();
    }
}
