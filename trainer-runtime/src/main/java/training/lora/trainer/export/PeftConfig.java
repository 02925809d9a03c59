package training.lora.trainer.export;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import java.util.stream.Collectors;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.adapter.Dora;
import training.lora.trainer.adapter.ModuleForm;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.tensor.SafeTensors;

/**
 * PEFT's LoraConfig as diffusers keeps it in a file's metadata: one flat JSON object with a set of keys for each
 * component. diffusers hands every key on to LoraConfig, so that an unknown one is an error there.
 */
final class PeftConfig {
    static final String KEY = "lora_adapter_metadata";

    private static final String TEXT_MODEL = "text_model.";

    private final JsonNode json;

    private PeftConfig(JsonNode json) {
        this.json = json;
    }

    /** Adds the keys of a component, whose modules must all be rank-stabilized or none. */
    static void write(ObjectNode all, Component component, List<ModuleForm> modules) {
        String prefix = component.folder() + ".";
        int rank = mostCommon(modules, ModuleForm::rank);
        double alpha = mostCommon(modules, m -> m.kind().alpha());
        boolean stabilized = modules.get(0).kind().rankStabilized();
        ObjectNode ranks = Json.MAPPER.createObjectNode();
        ObjectNode alphas = Json.MAPPER.createObjectNode();
        all.put(prefix + "r", rank);
        all.put(prefix + "lora_alpha", alpha);
        var targets = all.putArray(prefix + "target_modules");
        for (ModuleForm m : modules) {
            if (m.kind().rankStabilized() != stabilized) {
                throw new IllegalArgumentException(m.path() + " must be rank-stabilized as the others are");
            }
            // PEFT compares ends of paths, and transformers 5 has no text_model in the first encoder.
            String path = component == Component.UNet || !m.path().startsWith(TEXT_MODEL)
                    ? m.path()
                    : m.path().substring(TEXT_MODEL.length());
            targets.add(path);
            if (m.rank() != rank) {
                ranks.put(path, m.rank());
            }
            if (m.kind().alpha() != alpha) {
                alphas.put(path, m.kind().alpha());
            }
        }
        if (!ranks.isEmpty()) {
            all.set(prefix + "rank_pattern", ranks);
        }
        if (!alphas.isEmpty()) {
            all.set(prefix + "alpha_pattern", alphas);
        }
        if (stabilized) {
            all.put(prefix + "use_rslora", true);
        }
        if (modules.stream().anyMatch(m -> m.kind() instanceof Dora)) {
            all.put(prefix + "use_dora", true);
        }
    }

    private static <T> T mostCommon(List<ModuleForm> modules, Function<ModuleForm, T> value) {
        Map<T, Long> counts = modules.stream()
                .collect(Collectors.groupingBy(value, java.util.LinkedHashMap::new, Collectors.counting()));
        return counts.entrySet().stream()
                .max(Map.Entry.comparingByValue())
                .orElseThrow()
                .getKey();
    }

    /** What {@code file} has, which may be nothing. */
    static PeftConfig of(SafeTensors file) {
        try {
            return new PeftConfig(Json.MAPPER.readTree(file.metadata().getOrDefault(KEY, "{}")));
        } catch (JsonProcessingException e) {
            throw new TrainerException(Reason.InvalidConfiguration, file.file() + " must have JSON as its " + KEY, e);
        }
    }

    /** Alpha of a module; its rank where the file says nothing, as in diffusers. */
    double alpha(Component component, String path, int rank) {
        JsonNode patterns = json.path(component.folder() + ".alpha_pattern");
        for (Map.Entry<String, JsonNode> pattern : patterns.properties()) {
            if (matches(pattern.getKey(), path)) {
                return pattern.getValue().asDouble();
            }
        }
        return json.path(component.folder() + ".lora_alpha").asDouble(rank);
    }

    boolean rankStabilized(Component component) {
        return json.path(component.folder() + ".use_rslora").asBoolean();
    }

    /** A pattern is a regular expression for the path or for its end after a dot, as in PEFT. */
    private static boolean matches(String pattern, String path) {
        if (path.equals(pattern) || path.endsWith("." + pattern)) {
            return true;
        }
        try {
            return Pattern.matches("(.*\\.)?(" + pattern + ")", path);
        } catch (PatternSyntaxException e) {
            return false;
        }
    }
}
