package training.lora.api;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/** What captions pictures that come without, on a platform: fields of spec.preparation.captions in JSON. */
public final class PlatformCaptioner {
    private PlatformCaptioner() {}

    /**
     * Reads it.
     *
     * @param setting what has {@code json}, for messages
     * @throws IllegalArgumentException if it can't be one, in a sentence
     */
    public static CaptionsSpec read(String setting, String json) {
        CaptionsSpec captions;
        try {
            captions = Json.STRICT_YAML.readValue(json, CaptionsSpec.class);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(
                    "`%s` must hold fields of spec.preparation.captions in JSON: %s"
                            .formatted(setting, Json.problem(e)),
                    e);
        }
        List<String> problems = problems(setting, captions);
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("; ", problems));
        }
        return captions;
    }

    private static List<String> problems(String setting, CaptionsSpec captions) {
        List<String> problems = new ArrayList<>();
        if (!captions.source().made()) {
            problems.add("`%s.source` must be Blip, Florence2, Tagger or OpenAI, was %s"
                    .formatted(setting, captions.source()));
        }
        if (captions.cleanUp() != CleanUp.None || captions.language() != null) {
            problems.add("`%s.cleanUp` and `language` must be unset: trainings name their own".formatted(setting));
        }
        problems.addAll(SpecValidator.captionProblems(setting, captions));
        if (captions.pauseForReview()) {
            problems.add("`%s.pauseForReview` must be unset: a training says whether it waits".formatted(setting));
        }
        ModelSpec model = captions.model();
        // A pod has only those that its training names.
        if (model != null && model.uri().startsWith("pvc://")) {
            problems.add("`%s.model.uri` must not name a claim, was %s".formatted(setting, Uris.shown(model.uri())));
        }
        return problems;
    }

    /** Names of the Secrets that it needs, each of them in the namespace of every training that it serves. */
    public static Set<String> secrets(CaptionsSpec captions) {
        Set<String> names = new TreeSet<>();
        if (captions.model() != null && captions.model().secretRef() != null) {
            names.add(captions.model().secretRef().name());
        }
        if (captions.api() != null && captions.api().secretRef() != null) {
            names.add(captions.api().secretRef().name());
        }
        return names;
    }
}
