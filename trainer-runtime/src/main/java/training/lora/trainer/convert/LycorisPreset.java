package training.lora.trainer.convert;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A preset of LyCORIS: a name for the classes of modules that are adapted (its {@code lycoris/config.py}). Those that adapt some
 * modules of a group and not others (full-lin, ia3), and files of one's own, have no counterpart.
 *
 * @param targets groups of modules
 * @param textEncoder whether text encoders are adapted too, where nothing else says that they aren't
 * @param others modules that it names and that stay as they are here; in sd-scripts they have other names in XL's denoiser, where it
 *     leaves them too
 */
record LycorisPreset(List<String> targets, boolean textEncoder, List<String> others) {
    private static final List<String> ALL = List.of("Attention", "FeedForward", "Convolution");
    private static final List<String> TRANSFORMERS = List.of("Attention", "FeedForward");

    private static final List<String> ENDS = List.of("conv_in", "conv_out");
    private static final List<String> ENDS_AND_TIME =
            List.of("conv_in", "conv_out", "time_embedding.linear_1", "time_embedding.linear_2");

    private static final Map<String, LycorisPreset> PRESETS = Map.of(
            "full", new LycorisPreset(ALL, true, ENDS_AND_TIME),
            "attn-mlp", new LycorisPreset(TRANSFORMERS, true, List.of()),
            "attn-only", new LycorisPreset(List.of("Attention"), true, List.of()),
            "unet-only", new LycorisPreset(ALL, false, ENDS_AND_TIME),
            "unet-transformer-only", new LycorisPreset(TRANSFORMERS, false, List.of()),
            "unet-convblock-only", new LycorisPreset(List.of("Convolution"), false, ENDS));

    /** The one of that name; null where there is none, or none with a counterpart. */
    static @Nullable LycorisPreset of(String name) {
        return PRESETS.get(name.toLowerCase(Locale.ROOT));
    }

    boolean convolutions() {
        return targets.contains("Convolution");
    }
}
