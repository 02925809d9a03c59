package training.lora.trainer.cli;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import training.lora.trainer.merge.LoraFiles;
import training.lora.trainer.merge.Ranks;
import training.lora.trainer.tensor.ComputeDevice;

/** {@code extract}: makes a LoRA of the difference of two checkpoints. */
@Command(
        name = "extract",
        mixinStandardHelpOptions = true,
        description = "Makes a LoRA, in kohya's form, of what one base model has and another has not.")
final class ExtractCommand implements Callable<Integer> {
    @Option(
            names = "--base",
            required = true,
            paramLabel = "URI",
            description = "The model that the LoRA is for, as sample has it: a diffusers folder or a .safetensors file,"
                    + " also bundled://NAME or hf://OWNER/REPOSITORY.")
    private String base = "";

    @Option(
            names = "--tuned",
            required = true,
            paramLabel = "URI",
            description = "The model that it comes to, named likewise.")
    private String tuned = "";

    @Mixin
    private RanksOption ranks = new RanksOption();

    @Option(
            names = "--targets",
            split = ",",
            paramLabel = "TARGET",
            description = "Modules, as training.adapter.targets has them; default ${DEFAULT-VALUE}.",
            defaultValue = "Attention,FeedForward")
    private List<String> targets = new ArrayList<>();

    @Option(names = "--out", required = true, paramLabel = "FILE", description = "Where it goes; must not exist yet.")
    private Path out = Path.of("");

    private final Function<String, @Nullable String> environment;

    ExtractCommand(Function<String, @Nullable String> environment) {
        this.environment = environment;
    }

    @Override
    public Integer call() throws IOException {
        NewFile.require(out);
        Ranks kept = ranks.ranks();
        BaseModelPlace places = new BaseModelPlace(environment);
        places.requireHere("--base", base);
        places.requireHere("--tuned", tuned);
        try (NDManager manager = ComputeDevice.CPU.newManager()) {
            double share = places.read(
                    "--base",
                    base,
                    from -> places.read(
                            "--tuned", tuned, to -> LoraFiles.extract(from, to, targets, kept, out, manager)));
            System.out.printf("%s: of a module at least %.4f of the difference%n", out, share);
        }
        return 0;
    }
}
