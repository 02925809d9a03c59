package training.lora.trainer.prepare.caption;

import ai.djl.ndarray.NDManager;
import java.util.Objects;
import training.lora.api.CaptionsSpec;
import training.lora.trainer.run.CaptionSettings;
import training.lora.trainer.run.RunContext;

/** Opens what captions. */
public final class Captioners {
    private Captioners() {}

    /**
     * The captioner that {@code settings} name.
     *
     * @param seed of what is drawn by chance
     */
    public static Captioner open(CaptionSettings settings, RunContext context, long seed, NDManager manager) {
        String field = settings.field();
        CaptionsSpec captions = settings.captions();
        return switch (captions.source()) {
            case Auto, Sidecar, None -> throw new IllegalArgumentException(captions.source() + " names no captioner");
            case Blip ->
                BlipCaptioner.open(
                        context.sources().existing(Objects.requireNonNull(settings.model())),
                        field + ".model.uri",
                        captions,
                        seed,
                        manager);
            case Florence2 ->
                FlorenceCaptioner.open(
                        context.sources().existing(Objects.requireNonNull(settings.model())),
                        field + ".model.uri",
                        captions,
                        seed);
            case Tagger ->
                Tagger.open(
                        context.sources().existing(Objects.requireNonNull(settings.model())),
                        field + ".model.uri",
                        captions);
            case OpenAI -> ApiCaptioner.open(field, captions, Objects.requireNonNull(captions.api()), context);
        };
    }

    /** All settings that captions depend on, and nothing else. */
    public static String key(CaptionsSpec captions, long seed) {
        return switch (captions.source()) {
            case Auto, Sidecar, None -> "";
            case Blip -> BlipCaptioner.key(captions, seed);
            case Florence2 -> FlorenceCaptioner.key(captions, seed);
            case Tagger -> Tagger.key(captions);
            case OpenAI -> ApiCaptioner.key(captions);
        };
    }
}
