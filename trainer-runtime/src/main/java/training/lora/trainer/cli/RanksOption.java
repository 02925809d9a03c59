package training.lora.trainer.cli;

import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;
import training.lora.trainer.merge.Ranks;

/** The options that say how many ranks are kept of what is factored. */
final class RanksOption {
    @Option(names = "--rank", paramLabel = "N", description = "Ranks of each module, where it has as many.")
    private @Nullable Integer rank;

    @Option(
            names = "--energy",
            paramLabel = "SHARE",
            description = "As few ranks as have this share of the squares of a module's singular values, such as 0.95.")
    private @Nullable Double energy;

    /** As asked for on the command line; one of the two must be. */
    Ranks ranks() {
        return new Ranks(rank, energy);
    }
}
