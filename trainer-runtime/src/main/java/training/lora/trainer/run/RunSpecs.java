package training.lora.trainer.run;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonMappingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import training.lora.api.Json;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.Owner;
import training.lora.api.Reason;
import training.lora.api.RunSpec;
import training.lora.api.SpecValidator;
import training.lora.trainer.TrainerException;

/** Reads what a run shall be: a LoraTraining as people write it, or the RunSpec that the operator mounts. */
public final class RunSpecs {
    private static final String API_VERSION = "lora.training/v1alpha1";

    private RunSpecs() {}

    /**
     * A run as it was read.
     *
     * @param mounted whether the operator wrote it, so that no plain path can mean anything
     */
    public record Loaded(RunSpec run, boolean mounted) {}

    /**
     * Reads {@code file}.
     *
     * @param settings {@code field.path=value} under spec, which replace what the file says
     * @throws TrainerException InvalidConfiguration with every problem that was found
     */
    public static Loaded load(Path file, List<String> settings) {
        if (!Files.isRegularFile(file)) {
            throw invalid(file + " must be a file: a LoraTraining in YAML, or a run spec");
        }
        try {
            return load(file, Json.STRICT_YAML.readTree(file.toFile()), settings);
        } catch (JsonProcessingException e) {
            throw noYaml(file.toString(), e);
        } catch (IOException e) {
            throw new TrainerException(Reason.InvalidConfiguration, file + " must be readable: " + e.getMessage(), e);
        }
    }

    /** The same of what was made from {@code file}. */
    public static Loaded load(Path file, JsonNode tree, List<String> settings) {
        if (!(tree instanceof ObjectNode root) || !(root.path("spec") instanceof ObjectNode spec)) {
            throw invalid(file + " must be a LoraTraining with a spec");
        }
        try {
            boolean mounted = root.path("version").asText().equals(RunSpec.VERSION);
            Owner owner = owner(file, root, mounted);
            List<String> fields = new ArrayList<>();
            for (String text : settings) {
                Setting setting = new Setting(text);
                setting.in(spec);
                fields.add(setting.field());
            }
            Origin origin = new Origin(file, fields);
            requireTextDigests(origin, spec, "spec");
            LoraTrainingSpec bound = bind(origin, spec);
            List<String> problems = SpecValidator.problems(bound);
            if (!problems.isEmpty()) {
                throw invalid(origin.said(String.join("; ", problems)));
            }
            return new Loaded(RunSpec.of(owner.namespace(), owner.name(), bound), mounted);
        } catch (JsonProcessingException e) {
            throw noYaml(file.toString(), e);
        }
    }

    /**
     * What a spec was read from: a mistake may be in an option.
     *
     * @param fields of the options; their values may hold passwords and signatures
     */
    private record Origin(Path file, List<String> fields) {
        /** A sentence on what is wrong, of the file. */
        String said(String sentence) {
            String options = fields.isEmpty() ? "" : " (with --set %s)".formatted(String.join(", ", fields));
            return file + ": " + sentence + options;
        }
    }

    private static LoraTrainingSpec bind(Origin origin, ObjectNode spec) throws JsonProcessingException {
        try {
            return Json.STRICT_YAML.treeToValue(spec, LoraTrainingSpec.class);
        } catch (JsonMappingException e) {
            throw new TrainerException(Reason.InvalidConfiguration, origin.said(Misfit.sentence(e, spec)), e);
        }
    }

    private static TrainerException noYaml(String what, JsonProcessingException e) {
        return new TrainerException(Reason.InvalidConfiguration, what + " must be YAML: " + Json.problem(e), e);
    }

    private static Owner owner(Path file, ObjectNode root, boolean mounted) {
        if (mounted) {
            return new Owner(
                    root.at("/owner/namespace").asText(), root.at("/owner/name").asText());
        }
        if (!root.path("apiVersion").asText().equals(API_VERSION)
                || !root.path("kind").asText().equals("LoraTraining")) {
            throw invalid("%s must have apiVersion %s and kind LoraTraining, had %s and %s"
                    .formatted(file, API_VERSION, root.path("apiVersion"), root.path("kind")));
        }
        String name = root.at("/metadata/name").asText();
        if (!name.matches("[a-z0-9]([-a-z0-9]{0,48}[a-z0-9])?")) {
            throw invalid(file + ": `metadata.name` must be 1 to 50 lower-case letters, digits and hyphens, was \""
                    + name + "\"");
        }
        return new Owner(root.at("/metadata/namespace").asText("default"), name);
    }

    /** Digits alone are a number in YAML, which is no digest any more. */
    private static void requireTextDigests(Origin origin, JsonNode node, String path) {
        node.fields().forEachRemaining(field -> {
            String name = path + "." + field.getKey();
            if (field.getKey().equals("sha256") && field.getValue().isNumber()) {
                throw invalid(origin.said("`%s` must be text: put the digest in quotes".formatted(name)));
            }
            requireTextDigests(origin, field.getValue(), name);
        });
        for (int i = 0; node.isArray() && i < node.size(); i++) {
            requireTextDigests(origin, node.get(i), "%s[%d]".formatted(path, i));
        }
    }

    private static TrainerException invalid(String message) {
        return new TrainerException(Reason.InvalidConfiguration, message);
    }
}
