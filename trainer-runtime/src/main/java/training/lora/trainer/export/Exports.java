package training.lora.trainer.export;

import ai.djl.ndarray.types.DataType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.AdapterFormat;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.adapter.AdapterModule;
import training.lora.trainer.adapter.Dora;
import training.lora.trainer.adapter.FullDifference;
import training.lora.trainer.adapter.Loha;
import training.lora.trainer.adapter.Lokr;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.ModuleForm;
import training.lora.trainer.adapter.TokenEmbeddings;
import training.lora.trainer.files.WholeFile;
import training.lora.trainer.model.basemodel.UNetStateDictAdapter;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.model.layer.FrozenWeights;
import training.lora.trainer.tensor.LazyTensor;

/**
 * Writes an adapter in the forms that other tools read, and proves each file by reading it back before it has its name, so
 * that no wrong one is left.
 */
public final class Exports {
    /** Relative: kohya's alpha is in fp32, and folding rank stabilization in rounds it. */
    private static final double SCALE_TOLERANCE = 1e-6;

    private Exports() {}

    /** Writes {@code adapter} to {@code file}. */
    public static void write(Path file, AdapterFormat format, LoraAdapter adapter, ExportMetadata metadata)
            throws IOException {
        write(file, format, adapter, adapter.tokens(), metadata);
    }

    /** Writes {@code adapter} in kohya's form without the tokens that it has. */
    static void writeAlone(Path file, LoraAdapter adapter, ExportMetadata metadata) throws IOException {
        write(file, AdapterFormat.Kohya, adapter, null, metadata);
    }

    private static void write(
            Path file,
            AdapterFormat format,
            LoraAdapter adapter,
            @Nullable TokenEmbeddings added,
            ExportMetadata metadata)
            throws IOException {
        write(file, format, AdapterFiles.modules(adapter, format), added, metadata);
    }

    /**
     * Writes {@code adapter} as full differences of {@code weights}, with the tokens that it has: {@link
     * AdapterFormat#A1111Baked}.
     */
    public static void bake(Path file, LoraAdapter adapter, FrozenWeights weights, ExportMetadata metadata)
            throws IOException {
        List<AdapterModule> modules = BakedModules.of(adapter, BakedModules.of(weights));
        write(file, AdapterFormat.A1111Baked, modules, adapter.tokens(), metadata);
    }

    private static void write(
            Path file,
            AdapterFormat format,
            List<AdapterModule> modules,
            @Nullable TokenEmbeddings added,
            ExportMetadata metadata)
            throws IOException {
        Map<String, LazyTensor> tokens =
                added == null || format == AdapterFormat.Diffusers ? Map.of() : TokenFiles.bundle(added.values());
        WholeFile.write(file, temporary -> {
            AdapterWriter.write(
                    temporary,
                    format,
                    modules,
                    tokens,
                    metadata.family(),
                    metadata.paths(),
                    DataType.FLOAT32,
                    metadata.entries());
            try (AdapterFile read = AdapterFile.open(temporary, metadata.paths())) {
                prove(read, modules);
                prove(read, tokens);
            }
        });
    }

    /**
     * Writes a LoRA's {@code modules} in kohya's form, for the published models of a family.
     *
     * @param bundled embeddings of new tokens, by word and text encoder
     * @param said what the file says of itself beside what every one says
     */
    public static void write(
            Path file,
            List<AdapterModule> modules,
            Map<String, Map<Component, LazyTensor>> bundled,
            LoraFamily family,
            Map<String, String> said)
            throws IOException {
        write(file, modules, bundled, family, family.paths(), said);
    }

    /** The same for a model whose UNet may have other names in the original code. */
    public static void write(
            Path file,
            List<AdapterModule> modules,
            Map<String, Map<Component, LazyTensor>> bundled,
            LoraFamily family,
            UNetStateDictAdapter paths,
            Map<String, String> said)
            throws IOException {
        Map<String, LazyTensor> tokens = TokenFiles.bundle(bundled);
        String title = file.getFileName().toString().replaceFirst("\\.safetensors$", "");
        Map<String, String> metadata = new TreeMap<>(ExportMetadata.defaults(title, family));
        metadata.putAll(said);
        WholeFile.write(file, temporary -> {
            AdapterWriter.write(
                    temporary, AdapterFormat.Kohya, modules, tokens, family, paths, DataType.FLOAT32, metadata);
            try (AdapterFile read = AdapterFile.open(temporary, paths)) {
                prove(read, modules);
                prove(read, tokens);
            }
        });
    }

    /**
     * Writes what {@code source} holds in another form, with all that it says of itself, and in fp16 where it was.
     *
     * @param given the base model's family where the file doesn't tell
     * @param to one of the forms that hold adapters as they are
     * @throws TrainerException InvalidConfiguration if the file's family is unknown, or another than {@code given}
     */
    public static void convert(AdapterFile source, @Nullable LoraFamily given, AdapterFormat to, Path file)
            throws IOException {
        LoraFamily told = source.family();
        LoraFamily family = told == null ? given : told;
        if (family == null) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    source.file() + " must tell the family of its base model, but neither its metadata nor its tensors"
                            + " do: name it with --family");
        }
        if (given != null && given != family) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "--family must be that of %s, %s, was %s".formatted(source.file(), family, given));
        }
        String title = source.file().getFileName().toString().replaceFirst("\\.safetensors$", "");
        Map<String, String> metadata = new TreeMap<>(ExportMetadata.defaults(title, family));
        metadata.putAll(source.metadata());
        metadata.remove(PeftConfig.KEY);
        LoraFamily known = family;
        requireKindOf(to, source);
        requireNormOf(to, source);
        Map<String, LazyTensor> tokens = TokenFiles.bundle(source.tokens());
        if (to != AdapterFormat.Kohya && !tokens.isEmpty()) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "--to must be Kohya for %s, for it bundles embeddings, for which no other form has a place; --without-embeddings leaves them out"
                            .formatted(source.file()));
        }
        requireModulesOf(known, source);
        WholeFile.write(file, temporary -> {
            AdapterWriter.write(temporary, to, source.modules(), tokens, known, known.paths(), source.type(), metadata);
            try (AdapterFile read = AdapterFile.open(temporary, known.paths())) {
                prove(read, source.modules());
                prove(read, tokens);
            }
        });
    }

    /** diffusers hands its form to PEFT as a LoRA. */
    private static void requireKindOf(AdapterFormat to, AdapterFile source) {
        if (source.modules().stream().anyMatch(m -> m.form().kind() instanceof FullDifference)) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "%s must be a LoRA, DoRA, LoHa or LoKr, but is %s, which has no other form: `resize` makes a LoRA of it"
                            .formatted(source.file(), source.what()));
        }
        boolean lycoris = source.modules().stream()
                .map(m -> m.form().kind())
                .anyMatch(kind -> kind instanceof Loha || kind instanceof Lokr);
        if (to == AdapterFormat.Diffusers && lycoris) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "--to must be Kohya for %s, for it is %s, which diffusers' loader doesn't read"
                            .formatted(source.file(), source.what()));
        }
    }

    /** A magnitude for other readers could only be computed with the base model's weights. */
    private static void requireNormOf(AdapterFormat to, AdapterFile source) {
        source.modules().stream()
                .map(m -> m.form().kind())
                .filter(kind -> kind instanceof Dora dora && dora.norm() != DoraNorms.of(to))
                .findFirst()
                .ifPresent(kind -> {
                    String forms = Stream.of(AdapterFormat.Kohya, AdapterFormat.Diffusers)
                            .filter(form -> DoraNorms.of(form) == ((Dora) kind).norm())
                            .map(AdapterFormat::name)
                            .collect(Collectors.joining(" or "));
                    throw new TrainerException(
                            Reason.InvalidConfiguration,
                            "--to must be %s for %s, for it is a DoRA, whose magnitudes can't be put into another form without the base model; a run writes both"
                                    .formatted(forms, source.file()));
                });
    }

    /** kohya's form of XL has the original code's names, which not every path has. */
    private static void requireModulesOf(LoraFamily family, AdapterFile source) {
        List<String> strange = source.modules().stream()
                .map(AdapterModule::form)
                .filter(m -> m.component() == Component.UNet && family.paths().toOriginal(m.path()) == null)
                .map(ModuleForm::path)
                .toList();
        if (!strange.isEmpty()) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "%s must adapt modules of %s alone, but adapts %s"
                            .formatted(
                                    source.file(),
                                    family,
                                    String.join(", ", strange.subList(0, Math.min(5, strange.size())))));
        }
    }

    /** The file must give back the very modules: nothing lost, renamed or scaled. */
    static void prove(AdapterFile file, List<AdapterModule> written) {
        List<AdapterModule> read = file.modules();
        if (read.size() != written.size()) {
            throw unequal(file, "it holds %d modules, not %d".formatted(read.size(), written.size()));
        }
        for (int i = 0; i < read.size(); i++) {
            if (!same(written.get(i), read.get(i))) {
                throw unequal(file, "its " + written.get(i).form().path() + " is another");
            }
        }
    }

    /** The same of tokens, by the names of their tensors. */
    private static void prove(AdapterFile file, Map<String, LazyTensor> written) {
        Map<String, LazyTensor> read = TokenFiles.bundle(file.tokens());
        if (!read.keySet().equals(written.keySet())) {
            throw unequal(file, "it holds %s, not %s".formatted(read.keySet(), written.keySet()));
        }
        written.forEach((name, rows) -> {
            if (!rows.same(Objects.requireNonNull(read.get(name)))) {
                throw unequal(file, "its " + name + " is another");
            }
        });
    }

    private static IllegalStateException unequal(AdapterFile file, String what) {
        return new IllegalStateException(file.file() + " must read back as what was written, but " + what);
    }

    private static boolean same(AdapterModule a, AdapterModule b) {
        ModuleForm x = a.form();
        ModuleForm y = b.form();
        return x.component() == y.component()
                && x.path().equals(y.path())
                && Math.abs(x.scale() - y.scale()) <= SCALE_TOLERANCE * Math.abs(x.scale())
                && x.kind().parts().equals(y.kind().parts())
                && norm(x).equals(norm(y))
                && x.kind().parts().stream().allMatch(part -> a.value(part).same(b.value(part)));
    }

    private static Optional<Dora.Norm> norm(ModuleForm form) {
        return form.kind() instanceof Dora dora ? Optional.of(dora.norm()) : Optional.empty();
    }
}
