package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The denoiser's 3x3 convolutions, to which kohya's networks, LyCORIS and ai-toolkit give a rank and an alpha of their own. What else
 * ResNets have, the map of the time and the 1x1 convolution of a shortcut, has those of all other modules.
 */
final class ThreeByThree {
    private static final String CONVOLUTIONS = "Convolution";

    /** Both of a ResNet, and those of samplers. */
    private static final List<String> PATHS = List.of("*.conv1", "*.conv2", "*samplers.0.conv");

    /** What else is in the group. */
    private static final List<String> OTHERS = List.of("*.time_emb_proj", "*.conv_shortcut");

    private ThreeByThree() {}

    /** {@code targets} where 3x3 convolutions have {@code rank}, with which they are left out where it is 0. */
    static List<String> targets(List<String> targets, @Nullable Integer rank) {
        if (rank == null || rank != 0) {
            return targets;
        }
        return targets.stream()
                .flatMap(target -> target.equals(CONVOLUTIONS) ? OTHERS.stream() : Stream.of(target))
                .toList();
    }

    /** Whether {@code targets} have them. */
    static boolean in(List<String> targets) {
        return targets.contains(CONVOLUTIONS);
    }

    /**
     * A rank and an alpha of their own.
     *
     * @param rankKey the option that gave the rank
     * @param rank null for that of all modules
     * @param alphaKey the option that gave the alpha
     */
    static void override(Draft draft, String rankKey, @Nullable Integer rank, String alphaKey, double alpha) {
        String overrides = "training.adapter.overrides";
        for (String path : PATHS) {
            String entry =
                    "spec.%s[%d].".formatted(overrides, draft.at(overrides).size());
            ObjectNode override = draft.add(overrides).put("target", path);
            if (rank != null) {
                override.put("rank", rank);
                draft.origin(rankKey, entry + "rank");
            }
            override.set("alpha", Draft.node(alpha));
            draft.origin(alphaKey, entry + "alpha");
        }
    }
}
