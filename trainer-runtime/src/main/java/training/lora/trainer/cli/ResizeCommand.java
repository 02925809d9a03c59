package training.lora.trainer.cli;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import training.lora.trainer.merge.LoraFiles;
import training.lora.trainer.tensor.ComputeDevice;

/** {@code resize}: writes a LoRA of other ranks. */
@Command(
        name = "resize",
        mixinStandardHelpOptions = true,
        description = "Writes a LoRA with fewer ranks, of each module the best that there is, in kohya's form.")
final class ResizeCommand implements Callable<Integer> {
    @Parameters(paramLabel = "FILE", description = "A LoRA or full differences of weights, by whichever trainer.")
    private Path file = Path.of("");

    @Mixin
    private RanksOption ranks = new RanksOption();

    @Option(names = "--out", required = true, paramLabel = "FILE", description = "Where it goes; must not exist yet.")
    private Path out = Path.of("");

    @Override
    public Integer call() throws IOException {
        NewFile.require(out);
        try (NDManager manager = ComputeDevice.CPU.newManager()) {
            double kept = LoraFiles.resize(file, ranks.ranks(), out, manager);
            System.out.printf("%s: of a module at least %.4f of what it adds%n", out, kept);
        }
        return 0;
    }
}
