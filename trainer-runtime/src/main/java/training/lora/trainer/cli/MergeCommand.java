package training.lora.trainer.cli;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import training.lora.trainer.merge.CheckpointMerge;
import training.lora.trainer.merge.LoraFiles;
import training.lora.trainer.merge.Weighted;
import training.lora.trainer.tensor.ComputeDevice;

/** {@code merge}: puts adapters into a checkpoint, or LoRAs into one. */
@Command(
        name = "merge",
        mixinStandardHelpOptions = true,
        description =
                "Puts adapters into a copy of a base model, whose other weights stay as they are; without --base adds"
                        + " LoRAs up to one.")
final class MergeCommand implements Callable<Integer> {
    @Option(
            names = "--base",
            paramLabel = "PATH",
            description = "A diffusers folder or a .safetensors file; what is written is as it.")
    private @Nullable Path base;

    @Option(
            names = "--lora",
            required = true,
            paramLabel = "FILE[=SHARE]",
            description = "An adapter, by whichever trainer, and how much of it; default 1. May be repeated.")
    private List<String> adapters = new ArrayList<>();

    @Option(names = "--out", required = true, paramLabel = "PATH", description = "Where it goes; must not exist yet.")
    private Path out = Path.of("");

    @Override
    public Integer call() throws IOException {
        NewFile.require(out);
        List<Weighted> weighted = Weighted.parse(adapters);
        try (NDManager manager = ComputeDevice.CPU.newManager()) {
            if (base == null) {
                LoraFiles.sum(weighted, out);
            } else {
                CheckpointMerge.merge(base, weighted, out, manager);
            }
        }
        System.out.println(out);
        return 0;
    }
}
