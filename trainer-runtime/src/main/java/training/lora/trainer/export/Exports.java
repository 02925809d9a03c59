package training.lora.trainer.export;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import training.lora.api.AdapterFormat;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.adapter.AdapterModule;
import training.lora.trainer.adapter.LoraAdapter;

/** Writes an adapter in the forms that other tools read, and proves each file by reading it back. */
public final class Exports {
    private Exports() {}

    /** Writes {@code adapter} to {@code file}. */
    public static void write(Path file, AdapterFormat format, LoraAdapter adapter, ExportMetadata metadata)
            throws IOException {
        List<AdapterModule> modules = AdapterFiles.modules(adapter);
        AdapterWriter.write(file, format, modules, metadata.family(), metadata.paths(), metadata.entries());
        try (AdapterFile read = AdapterFile.open(file, metadata.paths())) {
            prove(read, modules);
        }
    }

    /**
     * Writes what {@code source} holds in another form, with all that it says of itself.
     *
     * @param given the base model's family where the file doesn't tell
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
        List<AdapterModule> modules = source.modules().toList();
        String title = source.file().getFileName().toString().replaceFirst("\\.safetensors$", "");
        Map<String, String> metadata = new TreeMap<>(ExportMetadata.defaults(title, family));
        metadata.putAll(source.metadata());
        metadata.remove(PeftConfig.KEY);
        AdapterWriter.write(file, to, modules, family, family.paths(), metadata);
        try (AdapterFile read = AdapterFile.open(file)) {
            prove(read, modules);
        }
    }

    /** The file must give back the very modules: nothing lost, renamed or scaled. */
    static void prove(AdapterFile file, List<AdapterModule> written) {
        List<AdapterModule> read = file.modules().toList();
        boolean same = read.size() == written.size();
        for (int i = 0; same && i < read.size(); i++) {
            same = same(written.get(i), read.get(i));
        }
        if (!same) {
            throw new IllegalStateException(file.file() + " must read back as what was trained, but does not");
        }
    }

    private static boolean same(AdapterModule a, AdapterModule b) {
        return a.component() == b.component()
                && a.path().equals(b.path())
                && a.downShape().equals(b.downShape())
                && a.upShape().equals(b.upShape())
                && Math.abs(a.scale() - b.scale()) <= 1e-6 * Math.abs(a.scale())
                && Arrays.equals(a.down(), b.down())
                && Arrays.equals(a.up(), b.up());
    }
}
