package training.lora.trainer.cli;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import training.lora.api.AdapterFormat;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.export.AdapterFile;
import training.lora.trainer.export.Exports;
import training.lora.trainer.export.LoraFamily;
import training.lora.trainer.merge.BakedFile;
import training.lora.trainer.tensor.ComputeDevice;

/** {@code export}: writes a LoRA in another form. */
@Command(
        name = "export",
        mixinStandardHelpOptions = true,
        description = "Writes a LoRA file in another form, and reads it back: Kohya for ComfyUI and AUTOMATIC1111,"
                + " Diffusers for diffusers and peft, A1111Baked for a DoRA in AUTOMATIC1111, as large as the weights.")
final class ExportCommand implements Callable<Integer> {
    @Parameters(paramLabel = "FILE", description = "A LoRA, by whichever trainer.")
    private Path file = Path.of("");

    @Option(names = "--to", required = true, paramLabel = "FORM", description = "The form: ${COMPLETION-CANDIDATES}.")
    private AdapterFormat to = AdapterFormat.Kohya;

    @Option(
            names = "--out",
            paramLabel = "FILE",
            description =
                    "Where it goes; default beside FILE, with the form in its name, as in NAME-kohya.safetensors.")
    private @Nullable Path out;

    @Option(
            names = "--family",
            paramLabel = "FAMILY",
            description = "The base model's family, ${COMPLETION-CANDIDATES}, where the file doesn't tell.")
    private @Nullable LoraFamily family;

    @Option(
            names = "--base",
            paramLabel = "URI",
            description = "With --to A1111Baked the base model, as sample has it: a diffusers folder or a .safetensors"
                    + " file, also bundled://NAME or hf://OWNER/REPOSITORY.")
    private @Nullable String base;

    @Option(
            names = "--without-embeddings",
            description = "Leaves out embeddings of new tokens that FILE bundles; their words then need the files of"
                    + " embeddings/.")
    private boolean withoutEmbeddings;

    private final Function<String, @Nullable String> environment;

    ExportCommand(Function<String, @Nullable String> environment) {
        this.environment = environment;
    }

    @Override
    public Integer call() throws IOException {
        boolean baked = to == AdapterFormat.A1111Baked;
        if (baked == (base == null)) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    baked
                            ? "--base must be given where --to is A1111Baked, to whose weights it is the difference"
                            : "--base must not be given where --to is " + to + ", which needs none, was " + base);
        }
        if (baked && family != null) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "--family must not be given with --base, which tells it, was " + family);
        }
        Path target = out == null ? beside() : out;
        NewFile.require(target);
        if (base != null) {
            AdapterFile.require(file);
            try (NDManager manager = ComputeDevice.CPU.newManager()) {
                new BaseModelPlace(environment).read("--base", base, place -> {
                    BakedFile.write(file, place, withoutEmbeddings, target, manager);
                    return target;
                });
            }
        } else {
            try (AdapterFile source = AdapterFile.open(file)) {
                Exports.convert(withoutEmbeddings ? source.withoutTokens() : source, family, to, target);
            }
        }
        System.out.println(target);
        return 0;
    }

    private Path beside() {
        String name = file.getFileName().toString().replaceFirst("\\.safetensors$", "");
        return file.resolveSibling(name + "-" + to.name().toLowerCase(Locale.ROOT) + ".safetensors");
    }
}
