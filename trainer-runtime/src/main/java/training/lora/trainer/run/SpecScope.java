package training.lora.trainer.run;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import training.lora.api.CleanUp;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.MaskSource;
import training.lora.api.PreparationSpec;
import training.lora.api.PreservationSpec;
import training.lora.api.RunSpec;
import training.lora.api.TrainingSpec;
import training.lora.api.Uris;

/** The fields of a spec that what a stage leaves depends on, beside the content of files and never the names of Secrets. */
public enum SpecScope {
    /** What prepared data depend on: which pictures with which words, their size, and how texts are embedded. */
    Preparation {
        @Override
        ObjectNode of(LoraTrainingSpec spec) {
            ObjectNode all = RunSpec.withoutSecrets(spec);
            all.retain("datasets", "preparation", "training");
            ObjectNode training = (ObjectNode) all.path("training");
            if (spec.preparation().augmentTo() > 0) {
                training.retain("captions", "seed");
            } else {
                training.retain("captions");
            }
            ((ObjectNode) training.path("captions")).retain("maxTokens", "clipSkip");
            all.path("datasets").forEach(dataset -> {
                ((ObjectNode) dataset).remove(List.of("repeats", "weight"));
                if (dataset.path("concept") instanceof ObjectNode concept) {
                    concept.remove("description");
                }
                if (spec.preparation().captions().cleanUp() == CleanUp.None
                        && !maskedByClassNames(spec.preparation())) {
                    withoutClassName(dataset);
                }
            });
            return all;
        }
    },

    /**
     * What a training and its files depend on: all but what measures them, and where and how long it may run. One that stops
     * early depends on what measures it.
     */
    Training {
        @Override
        ObjectNode of(LoraTrainingSpec spec) {
            ObjectNode all = RunSpec.withoutSecrets(spec);
            if (spec.evaluation().earlyStop() == null) {
                all.remove(EVALUATION);
            }
            all.remove(List.of(
                    "suspend",
                    "tracking",
                    "runtime",
                    "retries",
                    "activeDeadlineSeconds",
                    "startDeadlineSeconds",
                    "ttlSecondsAfterFinished"));
            // Where it is published changes nothing in what is trained, and a wrong bucket can be corrected at the end.
            if (all.path("output") instanceof ObjectNode output) {
                output.remove(List.of("uri", "secretRef"));
            }
            if (!trainsOnClassNames(spec.training())) {
                all.path("datasets").forEach(SpecScope::withoutClassName);
            }
            return all;
        }
    };

    private static final String EVALUATION = "evaluation";

    abstract ObjectNode of(LoraTrainingSpec spec);

    /** Whether masks may be of what the class names say. */
    private static boolean maskedByClassNames(PreparationSpec preparation) {
        return preparation.mask().source() == MaskSource.Segment
                && preparation.mask().prompts().isEmpty();
    }

    /** Whether new tokens may begin as class names, or predictions for texts with them are kept or aligned with. */
    private static boolean trainsOnClassNames(TrainingSpec training) {
        List<String> prompts = training.loss().preservation().prompts();
        return training.tokens().count() > 0
                || training.loss().promptAlignment() != null
                || (prompts != null && prompts.stream().anyMatch(prompt -> prompt.contains(PreservationSpec.CAPTION)));
    }

    /** It takes the trigger's place where pictures are measured; data depend on it by rewritten captions and by masks alone. */
    private static void withoutClassName(JsonNode dataset) {
        if (dataset.path("concept") instanceof ObjectNode concept) {
            concept.remove("className");
        }
    }

    /** Which of the fields differ, a phrase each with both values. */
    public List<String> changes(LoraTrainingSpec before, LoraTrainingSpec now) {
        List<String> found = new ArrayList<>();
        ObjectNode one = of(before);
        ObjectNode other = of(now);
        if (one.has(EVALUATION) != other.has(EVALUATION)) {
            // Of two of which one stops early, that alone tells them apart.
            earlyStopAlone(one);
            earlyStopAlone(other);
        }
        compare("spec", one, other, found);
        return found;
    }

    private static void earlyStopAlone(ObjectNode spec) {
        if (spec.path(EVALUATION) instanceof ObjectNode evaluation) {
            evaluation.retain("earlyStop");
        } else {
            spec.putObject(EVALUATION);
        }
    }

    private static void compare(String path, JsonNode before, JsonNode now, List<String> found) {
        if (before.isObject() && now.isObject()) {
            TreeSet<String> names = new TreeSet<>();
            before.fieldNames().forEachRemaining(names::add);
            now.fieldNames().forEachRemaining(names::add);
            names.forEach(name -> compare(path + "." + name, before.path(name), now.path(name), found));
        } else if (before.isArray() && now.isArray() && before.size() == now.size()) {
            for (int i = 0; i < before.size(); i++) {
                compare(path + "[" + i + "]", before.get(i), now.get(i), found);
            }
        } else if (!before.equals(now)) {
            String was = text(path, before);
            String is = text(path, now);
            found.add(
                    was.equals(is)
                            ? "`%s` is %s, but what is left out here of a url, such as its query, is another"
                                    .formatted(path, is)
                            : "`%s` was %s and is %s".formatted(path, was, is));
        }
    }

    private static String text(String path, JsonNode value) {
        if (value instanceof MissingNode) {
            return "unset";
        }
        if (value.isTextual() && path.endsWith(".uri")) {
            return TextNode.valueOf(Uris.shown(value.asText())).toString();
        }
        JsonNode shown = value.deepCopy();
        Uris.hideSecrets(shown);
        return shown.toString();
    }
}
