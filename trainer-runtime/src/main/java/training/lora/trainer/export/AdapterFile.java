package training.lora.trainer.export;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.ModelFamily;
import training.lora.api.Reason;
import training.lora.trainer.Names;
import training.lora.trainer.TrainerException;
import training.lora.trainer.adapter.AdapterModule;
import training.lora.trainer.adapter.AdapterPart;
import training.lora.trainer.adapter.ModuleForm;
import training.lora.trainer.model.basemodel.UNetStateDictAdapter;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.tensor.Finite;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.SafeTensors;

/** An adapter's file, whoever wrote it; its modules are read one at a time. The one reader of such files. */
public final class AdapterFile implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(AdapterFile.class);

    private final SafeTensors file;
    private final Map<ModuleName, Map<AdapterPart, String>> modules = new LinkedHashMap<>();
    private final Map<ModuleName, ModuleForm> forms = new LinkedHashMap<>();
    private final Set<Naming> namings = EnumSet.noneOf(Naming.class);
    private final Map<String, Map<Component, LazyTensor>> tokens;
    private final @Nullable LoraFamily family;

    private record ModuleName(Component component, String path) {}

    private AdapterFile(SafeTensors file, UNetStateDictAdapter paths) {
        this.file = file;
        this.tokens = TokenFiles.bundledIn(file);
        PeftConfig config = PeftConfig.of(file);
        List<String> foreign = new ArrayList<>();
        for (String tensor : file.entries().keySet()) {
            if (TokenFiles.isBundled(tensor)) {
                continue;
            }
            TensorName name = TensorName.parse(tensor, paths);
            if (name == null) {
                foreign.add(tensor);
                continue;
            }
            String before = modules.computeIfAbsent(
                            new ModuleName(name.component(), name.path()), module -> new EnumMap<>(AdapterPart.class))
                    .putIfAbsent(name.part(), tensor);
            namings.add(name.naming());
            if (before != null) {
                foreign.add(tensor + " beside " + before + ", which means the same");
            }
        }
        modules.forEach((module, parts) -> {
            String lone = FileModule.incomplete(parts);
            if (lone != null) {
                foreign.add(lone);
            }
        });
        if (!foreign.isEmpty()) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    file.file() + " must be a LoRA with nothing but its factors, but holds " + Names.some(foreign, 5));
        }
        modules.forEach((module, parts) -> forms.put(module, form(module, parts, config)));
        family = LoraFamily.of(file.metadata(), forms.values());
    }

    /** {@code whole} without the tokens that it bundles. */
    private AdapterFile(AdapterFile whole) {
        file = whole.file;
        modules.putAll(whole.modules);
        forms.putAll(whole.forms);
        namings.addAll(whole.namings);
        tokens = Map.of();
        family = whole.family;
    }

    /** Opens a file for the published models of its family. */
    public static AdapterFile open(Path file) {
        return open(file, null);
    }

    /**
     * Opens a file.
     *
     * @param paths names of the base model's UNet in the original code; null for those of the published models of the
     *     file's family
     * @throws TrainerException InvalidConfiguration if it is something else
     */
    public static AdapterFile open(Path file, @Nullable UNetStateDictAdapter paths) {
        return read(file, told -> paths == null ? published(told) : paths);
    }

    /**
     * Opens a file for a base model.
     *
     * @param paths names of the base model's UNet in the original code
     * @param base the base model's family
     * @throws TrainerException InvalidConfiguration if it is something else, or a LoRA of another family
     */
    static AdapterFile open(Path file, UNetStateDictAdapter paths, ModelFamily base) {
        AdapterFile opened = read(file, told -> {
            // Before another family's names in the original code are taken for no factors at all.
            requireFamily(file, told, base);
            return paths;
        });
        try {
            requireFamily(file, opened.family(), base);
            return opened;
        } catch (RuntimeException e) {
            opened.close();
            throw e;
        }
    }

    /** @param paths the names to read a file by whose family seems to be that; null if nothing tells it */
    private static AdapterFile read(Path file, Function<@Nullable LoraFamily, UNetStateDictAdapter> paths) {
        SafeTensors tensors = SafeTensors.open(file);
        try {
            requireAdapter(tensors);
            return new AdapterFile(tensors, paths.apply(LoraFamily.of(tensors)));
        } catch (RuntimeException e) {
            tensors.close();
            throw e;
        }
    }

    private static void requireFamily(Path file, @Nullable LoraFamily family, ModelFamily base) {
        if (family != null && !family.name().equals(base.name())) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "%s must be a LoRA of the base model's family, %s, but is one of %s".formatted(file, base, family));
        }
    }

    /**
     * Looks whether {@code file} is an adapter at all, by its header alone; whether it fits a base model shows where it is opened for one.
     *
     * @throws TrainerException InvalidConfiguration if it can't be read or is something else
     */
    public static void require(Path file) {
        try (SafeTensors tensors = SafeTensors.open(file)) {
            requireAdapter(tensors);
        }
    }

    private static void requireAdapter(SafeTensors file) {
        FileKind kind = FileKind.of(file);
        if (kind.role() != FileKind.Role.Adapter) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    file.file() + " must be a LoRA of Stable Diffusion 1.x or XL, but is " + kind.what());
        }
    }

    /** The names of the family that the file is of, as far as those of 1.x tell it: XL's are the same but for upsamplers. */
    private static UNetStateDictAdapter published(@Nullable LoraFamily told) {
        return (told == null ? LoraFamily.SDXL : told).paths();
    }

    /** What it is, with its article. */
    public String what() {
        if (forms.isEmpty()) {
            return "bundled embeddings";
        }
        return forms.values().stream()
                .map(f -> "a " + f.kind().name())
                .distinct()
                .sorted()
                .collect(Collectors.joining(" and "));
    }

    /** Whose names its modules have, for a sentence; empty where it has none. */
    public String form() {
        return namings.isEmpty()
                ? ""
                : namings.stream().map(Naming::owner).collect(Collectors.joining(" and ")) + " form";
    }

    /** The family of its base model, null if nothing tells. */
    public @Nullable LoraFamily family() {
        return family;
    }

    /** What it says of itself. */
    public Map<String, String> metadata() {
        return file.metadata();
    }

    /** The type that holds every factor without a loss: fp16 if all of them are and none has to be computed, else fp32. */
    DataType type() {
        boolean halves = modules.values().stream().noneMatch(FileModule::folds)
                && modules.values().stream()
                        .flatMap(parts -> parts.entrySet().stream())
                        .filter(e -> e.getKey() != AdapterPart.Alpha)
                        .map(Map.Entry::getValue)
                        .allMatch(tensor -> file.entry(Objects.requireNonNull(tensor))
                                .dtype()
                                .equals("F16"));
        return halves ? DataType.FLOAT16 : DataType.FLOAT32;
    }

    /** The file. */
    public Path file() {
        return file.file();
    }

    /** The modules in the file's order; their values can be read until it is closed. */
    public List<AdapterModule> modules() {
        return forms.entrySet().stream()
                .map(e -> module(e.getValue(), Objects.requireNonNull(modules.get(e.getKey()))))
                .toList();
    }

    /** The embeddings of new tokens that it bundles, by word and text encoder; they can be read until it is closed. */
    public Map<String, Map<Component, LazyTensor>> tokens() {
        return tokens;
    }

    /**
     * The same file, read as if it bundled no embeddings, which the log names; either may be closed for both.
     *
     * @throws TrainerException InvalidConfiguration if it holds nothing else
     */
    public AdapterFile withoutTokens() {
        if (tokens.isEmpty()) {
            return this;
        }
        if (forms.isEmpty()) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "%s must hold an adapter, but holds embeddings alone, so that --without-embeddings leaves nothing"
                            .formatted(file()));
        }
        LOG.warn(
                "left out of {}: the embeddings of {}; prompts that say them need the files of them too",
                file(),
                String.join(", ", tokens.keySet()));
        return new AdapterFile(this);
    }

    /** Paths of the modules that other tools apply and nothing here does. */
    public List<String> onlyElsewhere() {
        return forms.values().stream()
                .filter(f -> TensorName.onlyElsewhere(f.path()))
                .map(f -> Projection.path(f.component(), f.path()))
                .toList();
    }

    private AdapterModule module(ModuleForm form, Map<AdapterPart, String> parts) {
        FileModule module = new FileModule(file, parts);
        Map<AdapterPart, LazyTensor> values = new EnumMap<>(AdapterPart.class);
        form.kind().parts().forEach(part -> values.put(part, module.tensor(part, this::finite)));
        return new AdapterModule(form, values);
    }

    private ModuleForm form(ModuleName name, Map<AdapterPart, String> parts, PeftConfig config) {
        try {
            return new FileModule(file, parts).form(name.component(), name.path(), config);
        } catch (IllegalArgumentException e) {
            throw new TrainerException(
                    Reason.InvalidConfiguration, file.file() + " must be a whole adapter, but: " + e.getMessage(), e);
        }
    }

    /** A training that diverged leaves others, which draw black pictures. */
    private NDArray finite(String name, NDArray factor) {
        if (!Finite.all(factor)) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "%s must hold finite numbers, but its tensor %s holds NaN or an infinity"
                            .formatted(file.file(), name));
        }
        return factor;
    }

    @Override
    public void close() {
        file.close();
    }
}
