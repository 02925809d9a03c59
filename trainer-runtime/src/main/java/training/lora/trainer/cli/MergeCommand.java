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
            paramLabel = "URI",
            description =
                    "The base model, as sample has it: a diffusers folder or a .safetensors file, also bundled://NAME"
                            + " or hf://OWNER/REPOSITORY, in fp16 where that has it. What is written has the base model's form.")
    private @Nullable String base;

    @Option(
            names = "--lora",
            required = true,
            paramLabel = "FILE[=SHARE]",
            description = "An adapter, by whichever trainer, and how much of it; default 1. May be repeated.")
    private List<String> adapters = new ArrayList<>();

    @Option(
            names = "--without-embeddings",
            description = "Leaves out embeddings of new tokens that adapters bundle, instead of refusing such adapters;"
                    + " their words then need the files of embeddings/.")
    private boolean withoutEmbeddings;

    @Option(names = "--out", required = true, paramLabel = "PATH", description = "Where it goes; must not exist yet.")
    private Path out = Path.of("");

    private final Function<String, @Nullable String> environment;

    MergeCommand(Function<String, @Nullable String> environment) {
        this.environment = environment;
    }

    @Override
    public Integer call() throws IOException {
        NewFile.require(out);
        List<Weighted> weighted = Weighted.parse(adapters).stream()
                .map(adapter -> withoutEmbeddings ? adapter.leavingTokensOut() : adapter)
                .toList();
        try (NDManager manager = ComputeDevice.CPU.newManager()) {
            if (base == null) {
                LoraFiles.sum(weighted, out);
            } else {
                weighted.forEach(Weighted::requireFile);
                new BaseModelPlace(environment).read("--base", base, place -> {
                    CheckpointMerge.merge(place, weighted, out, manager);
                    return out;
                });
            }
        }
        System.out.println(out);
        return 0;
    }
}
