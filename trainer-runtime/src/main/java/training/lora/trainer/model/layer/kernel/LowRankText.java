package training.lora.trainer.model.layer.kernel;

import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import training.lora.trainer.tensor.Template;

/**
 * TorchScript of y += scale * B A z, where z is the source or what dropout left of it. Names: {@code ai} and {@code bi} are
 * A and B, {@code dai} and {@code dbi} their gradients, {@code ui} = A z, {@code vi} the gradient of ui, {@code ki} the
 * dropout's mask, {@code rmi} (samples, r) what ui and vi of each sample are multiplied by, where there is one.
 */
sealed interface LowRankText extends DeltaText permits LowRankLinearText, LowRankConvolutionText {
    /** What it stands beside. */
    FrozenText map();

    DeltaForm.LowRank form();

    /** Makes {@code ui} of {@code seen}. */
    String down(String seen);

    /** {@code name}, which is ui or vi, of each sample times the mask {@code m}. */
    String masked(String name, String m);

    /** The same of {@code name}i with the mask that there is. */
    default String masked(String name) {
        return form().masked() ? masked(name + map().i(), "rm" + map().i()) : "";
    }

    /** Adds scale * B ui to {@code yi}. */
    String up();

    @Override
    default List<String> arrays() {
        List<String> factors = List.of("a" + map().i(), "b" + map().i());
        return form().masked()
                ? Stream.concat(factors.stream(), Stream.of("rm" + map().i())).toList()
                : factors;
    }

    @Override
    default List<String> gradients() {
        return List.of("da" + map().i(), "db" + map().i());
    }

    @Override
    default List<String> kept() {
        String u = "u" + map().i();
        return dropping() ? List.of(u, "k" + map().i()) : List.of(u);
    }

    @Override
    default String forward(String bias) {
        return down(map().source()) + masked("u") + up();
    }

    @Override
    default String record(String bias) {
        return mask() + down(dropping() ? "z" + map().i() : map().source()) + masked("u") + up();
    }

    @Override
    default String again(String bias) {
        return up();
    }

    default boolean dropping() {
        return form().dropout() > 0;
    }

    /** What the source's gradient takes of that of {@code vi}: the scale, and what dropout scales entries by. */
    default double sourceScale() {
        return form().scale() / (1 - form().dropout());
    }

    /** Draws the mask: with probability p an entry is zero, the others are divided by 1 - p. */
    private String mask() {
        return dropping()
                ? Template.fill(
                        "z{i}, k{i} = torch.native_dropout({s}, {p}, True)\n",
                        Map.of("i", map().i(), "s", map().source(), "p", form().dropout()))
                : "";
    }

    /** z again on the way back. */
    default String seenAgain() {
        return dropping()
                ? Template.fill(
                        "torch.mul(torch.mul({s}, k{i}), {scale})",
                        Map.of("i", map().i(), "s", map().source(), "scale", 1 / (1 - form().dropout())))
                : map().source();
    }
}
