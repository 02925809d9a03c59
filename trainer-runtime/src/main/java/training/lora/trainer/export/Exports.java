package training.lora.trainer.export;

import ai.djl.ndarray.types.DataType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import training.lora.api.AdapterFormat;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.adapter.AdapterModule;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.ModuleForm;

/** Writes an adapter in the forms that other tools read, and proves each file by reading it back. */
public final class Exports {
    /** Relative: kohya's alpha is in fp32, and folding rank stabilization in rounds it. */
    private static final double SCALE_TOLERANCE = 1e-6;

    private Exports() {}

    /** Writes {@code adapter} to {@code file}. */
    public static void write(Path file, AdapterFormat format, LoraAdapter adapter, ExportMetadata metadata)
            throws IOException {
        AdapterWriter.write(
                file,
                format,
                AdapterFiles.modules(adapter),
                metadata.family(),
                metadata.paths(),
                DataType.FLOAT32,
                metadata.entries());
        try (AdapterFile read = AdapterFile.open(file, metadata.paths())) {
            prove(read, AdapterFiles.modules(adapter));
        }
    }

    /**
     * Writes what {@code source} holds in another form, with all that it says of itself, and in fp16 where it was.
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
        String title = source.file().getFileName().toString().replaceFirst("\\.safetensors$", "");
        Map<String, String> metadata = new TreeMap<>(ExportMetadata.defaults(title, family));
        metadata.putAll(source.metadata());
        metadata.remove(PeftConfig.KEY);
        AdapterWriter.write(file, to, source.modules(), family, family.paths(), source.type(), metadata);
        try (AdapterFile read = AdapterFile.open(file)) {
            prove(read, source.modules());
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

    private static IllegalStateException unequal(AdapterFile file, String what) {
        return new IllegalStateException(file.file() + " must read back as what was written, but " + what);
    }

    private static boolean same(AdapterModule a, AdapterModule b) {
        ModuleForm x = a.form();
        ModuleForm y = b.form();
        return x.component() == y.component()
                && x.path().equals(y.path())
                && Math.abs(x.scale() - y.scale()) <= SCALE_TOLERANCE * Math.abs(x.scale())
                && a.down().same(b.down())
                && a.up().same(b.up());
    }
}
