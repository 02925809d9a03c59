package training.lora.trainer.cli;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import training.lora.trainer.merge.LoraFiles;
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
            paramLabel = "PATH",
            description = "The model that the LoRA is for, a diffusers folder or a .safetensors file.")
    private Path base = Path.of("");

    @Option(
            names = "--tuned",
            required = true,
            paramLabel = "PATH",
            description = "The model that it comes to, in either form.")
    private Path tuned = Path.of("");

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

    @Override
    public Integer call() throws IOException {
        NewFile.require(out);
        try (NDManager manager = ComputeDevice.CPU.newManager()) {
            double kept = LoraFiles.extract(base, tuned, targets, ranks.ranks(), out, manager);
            System.out.printf("%s: of a module at least %.4f of the difference%n", out, kept);
        }
        return 0;
    }
}
