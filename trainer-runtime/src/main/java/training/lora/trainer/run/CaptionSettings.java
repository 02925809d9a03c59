package training.lora.trainer.run;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.api.CaptionApiSpec;
import training.lora.api.CaptionSource;
import training.lora.api.CaptionsSpec;
import training.lora.api.CleanUp;
import training.lora.api.Json;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.ModelSpec;
import training.lora.api.Reason;
import training.lora.api.SpecValidator;
import training.lora.api.Uris;
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
        CaptionsSpec captions;
        try {
            captions = Json.STRICT_YAML.readValue(platform, CaptionsSpec.class);
        } catch (JsonProcessingException e) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    VARIABLE + " must hold fields of spec.preparation.captions in JSON: " + Json.problem(e),
                    e);
        }
        List<String> problems = problems(captions);
        if (!problems.isEmpty()) {
            throw new TrainerException(Reason.InvalidConfiguration, String.join("; ", problems));
        }
        return new CaptionSettings(VARIABLE, captions);
    }

    /** What is wrong with the platform's captioner. */
    private static List<String> problems(CaptionsSpec captions) {
        List<String> problems = new ArrayList<>();
        if (!captions.source().made()) {
            problems.add("`%s.source` must be Blip, Florence2, Tagger or OpenAI, was %s"
                    .formatted(VARIABLE, captions.source()));
        }
        if (captions.cleanUp() != CleanUp.None || captions.language() != null) {
            problems.add("`%s.cleanUp` and `language` must be unset: trainings name their own".formatted(VARIABLE));
        }
        problems.addAll(SpecValidator.captionProblems(VARIABLE, captions));
        ModelSpec model = captions.model();
        CaptionApiSpec api = captions.api();
        // A pod has only those that its training names.
        if (model != null && model.uri().startsWith("pvc://")) {
            problems.add("`%s.model.uri` must not name a claim, was %s".formatted(VARIABLE, Uris.shown(model.uri())));
        }
        if ((model != null && model.secretRef() != null) || (api != null && api.secretRef() != null)) {
            problems.add(
                    "`%s` must name no Secret: pods have those alone that their trainings name".formatted(VARIABLE));
        }
        return problems;
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
