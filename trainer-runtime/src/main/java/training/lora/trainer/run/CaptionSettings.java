package training.lora.trainer.run;

import org.jspecify.annotations.Nullable;
import training.lora.api.CaptionSource;
import training.lora.api.CaptionsSpec;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.PlatformCaptioner;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.source.Source;
import training.lora.trainer.source.Surroundings;

/**
 * What captions pictures that come without: what the spec names, or else the platform.
 *
 * @param field where it is said
 */
public record CaptionSettings(String field, CaptionsSpec captions) {
    /** The platform's captioner: fields of spec.preparation.captions in JSON. */
    static final String VARIABLE = "LORA_CAPTIONER";

    /** @throws TrainerException if the platform's are wrong, where they count */
    static CaptionSettings of(LoraTrainingSpec spec, Surroundings surroundings) {
        CaptionsSpec own = spec.preparation().captions();
        String platform = surroundings.variable(VARIABLE);
        if (own.source() != CaptionSource.Auto || platform == null) {
            return new CaptionSettings("spec.preparation.captions", own);
        }
        try {
            return new CaptionSettings(VARIABLE, PlatformCaptioner.read(VARIABLE, platform));
        } catch (IllegalArgumentException e) {
            throw new TrainerException(Reason.InvalidConfiguration, String.valueOf(e.getMessage()), e);
        }
    }

    /** Whether the platform says it, and not the spec. */
    public boolean platforms() {
        return field.equals(VARIABLE);
    }

    /** The model that captions; null where none does. */
    public @Nullable Source model() {
        return RunSources.captionModel(field, captions);
    }
}
