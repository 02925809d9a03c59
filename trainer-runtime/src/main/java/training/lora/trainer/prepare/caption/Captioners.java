package training.lora.trainer.prepare.caption;

import ai.djl.ndarray.NDManager;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.api.CaptionsSpec;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.run.RunSources;

/** Opens what captions. */
public final class Captioners {
    private Captioners() {}

    /**
     * The captioner that {@code captions} names; null where it names none.
     *
     * @param field that has {@code captions}, for messages
     * @param seed of what is drawn by chance
     */
    public static @Nullable Captioner open(
            String field, CaptionsSpec captions, RunContext context, long seed, NDManager manager) {
        return switch (captions.source()) {
            case Auto, Sidecar, None -> null;
            case Blip ->
                BlipCaptioner.open(
                        context.sources().place(Objects.requireNonNull(RunSources.captionModel(field, captions))),
                        field + ".model.uri",
                        captions,
                        seed,
                        manager);
        };
    }

    /** All settings that captions depend on, and nothing else. */
    public static String key(CaptionsSpec captions, long seed) {
        return switch (captions.source()) {
            case Auto, Sidecar, None -> "";
            case Blip -> BlipCaptioner.key(captions, seed);
        };
    }
}
