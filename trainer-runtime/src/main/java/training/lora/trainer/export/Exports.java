package training.lora.trainer.export;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import training.lora.api.AdapterFormat;
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
