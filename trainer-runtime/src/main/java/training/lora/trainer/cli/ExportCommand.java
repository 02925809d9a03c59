package training.lora.trainer.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import training.lora.api.AdapterFormat;
import training.lora.trainer.export.AdapterFile;
import training.lora.trainer.export.Exports;
import training.lora.trainer.export.LoraFamily;

/** {@code export}: writes a LoRA in another form. */
@Command(
        name = "export",
        mixinStandardHelpOptions = true,
        description = "Writes a LoRA file in another form, and reads it back: Kohya for ComfyUI and AUTOMATIC1111,"
                + " Diffusers for diffusers and peft.")
final class ExportCommand implements Callable<Integer> {
    @Parameters(paramLabel = "FILE", description = "A LoRA, by whichever trainer.")
    private Path file = Path.of("");

    @Option(names = "--to", required = true, paramLabel = "FORM", description = "The form: ${COMPLETION-CANDIDATES}.")
    private AdapterFormat to = AdapterFormat.Kohya;

    @Option(
            names = "--out",
            paramLabel = "FILE",
            description =
                    "Where it goes; default beside FILE, as NAME-kohya.safetensors or NAME-diffusers.safetensors.")
    private @Nullable Path out;

    @Option(
            names = "--family",
            paramLabel = "FAMILY",
            description = "The base model's family, ${COMPLETION-CANDIDATES}, where the file doesn't tell.")
    private @Nullable LoraFamily family;

    @Override
    public Integer call() throws IOException {
        Path target = out == null ? beside() : out;
        NewFile.require(target);
        try (AdapterFile source = AdapterFile.open(file)) {
            Exports.convert(source, family, to, target);
        }
        System.out.println(target);
        return 0;
    }

    private Path beside() {
        String name = file.getFileName().toString().replaceFirst("\\.safetensors$", "");
        return file.resolveSibling(name + "-" + to.name().toLowerCase(Locale.ROOT) + ".safetensors");
    }
}
