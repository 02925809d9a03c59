package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.cel.common.CelOptions;
import dev.cel.common.CelValidationException;
import dev.cel.common.types.SimpleType;
import dev.cel.compiler.CelCompiler;
import dev.cel.compiler.CelCompilerFactory;
import dev.cel.extensions.CelExtensions;
import dev.cel.parser.CelStandardMacro;
import dev.cel.runtime.CelEvaluationException;
import dev.cel.runtime.CelRuntime;
import dev.cel.runtime.CelRuntimeFactory;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** The {@code x-kubernetes-validations} of a CRD, compiled once by dev.cel; their cost is not estimated. */
final class CelRules {
    private static final String RULES = "x-kubernetes-validations";
    private static final CelOptions OPTIONS =
            CelOptions.current().enableHeterogeneousNumericComparisons(true).build();
    private static final CelCompiler COMPILER = CelCompilerFactory.standardCelCompilerBuilder()
            .setOptions(OPTIONS)
            .setStandardMacros(CelStandardMacro.STANDARD_MACROS)
            .addLibraries(CelExtensions.strings())
            .addVar("self", SimpleType.DYN)
            .addVar("oldSelf", SimpleType.DYN)
            .build();
    private static final CelRuntime RUNTIME = CelRuntimeFactory.standardCelRuntimeBuilder()
            .setOptions(OPTIONS)
            .addLibraries(CelExtensions.strings())
            .build();
    private static final Pattern OLD_SELF = Pattern.compile("\\boldSelf\\b");

    private final JsonNode root;
    private final Map<String, CelRuntime.Program> programs = new HashMap<>();

    private CelRules(JsonNode root) {
        this.root = root;
    }

    /** Compiles; what can't be compiled, or is not supported here, is added to {@code problems}. */
    static CelRules compile(JsonNode schema, List<String> problems) {
        CelRules rules = new CelRules(schema);
        for (JsonNode declared : schema.findValues(RULES)) {
            declared.forEach(rule -> rules.add(rule, problems));
        }
        for (JsonNode items : schema.findValues("items")) {
            for (String text : items.findValuesAsText("rule")) {
                if (OLD_SELF.matcher(text).find()) {
                    problems.add(text + ": this embedded API server knows no oldSelf of a list's entry");
                }
            }
        }
        return rules;
    }

    private void add(JsonNode rule, List<String> problems) {
        String text = rule.path("rule").asText();
        for (String unsupported : List.of("messageExpression", "optionalOldSelf")) {
            if (rule.has(unsupported)) {
                problems.add(text + ": this embedded API server does not support " + unsupported);
            }
        }
        try {
            programs.put(text, RUNTIME.createProgram(COMPILER.compile(text).getAst()));
        } catch (CelValidationException | CelEvaluationException e) {
            problems.add(text + ": compilation failed: " + e.getMessage());
        }
    }

    /** Rules that {@code object} breaks; those that name {@code oldSelf} hold only where there was a value before. */
    List<String> validate(ObjectNode object, @Nullable ObjectNode before) {
        List<String> causes = new ArrayList<>();
        check(
                root,
                withNameOnly(object),
                before == null ? MissingNode.getInstance() : withNameOnly(before),
                "",
                causes);
        return causes;
    }

    // Rules see but the name of an object's metadata.
    private static ObjectNode withNameOnly(ObjectNode object) {
        ObjectNode copy = object.objectNode().setAll(object);
        copy.putObject("metadata").put("name", Meta.name(object));
        return copy;
    }

    private void check(JsonNode schema, JsonNode value, JsonNode before, String path, List<String> causes) {
        for (JsonNode rule : schema.path(RULES)) {
            boolean isTransition = OLD_SELF.matcher(rule.path("rule").asText()).find();
            if (!value.isNull() && !(isTransition && before.isMissingNode())) {
                evaluate(schema, rule, value, before, path, causes);
            }
        }
        for (Map.Entry<String, JsonNode> e : value.properties()) {
            JsonNode property = schema.path("properties").path(e.getKey());
            check(
                    property.isMissingNode() ? schema.path("additionalProperties") : property,
                    e.getValue(),
                    before.path(e.getKey()),
                    path.isEmpty() ? e.getKey() : path + "." + e.getKey(),
                    causes);
        }
        for (int i = 0; i < value.size() && value.isArray(); i++) {
            check(schema.path("items"), value.get(i), MissingNode.getInstance(), path + "[" + i + "]", causes);
        }
    }

    private void evaluate(
            JsonNode schema, JsonNode rule, JsonNode value, JsonNode before, String path, List<String> causes) {
        String text = rule.path("rule").asText();
        Map<String, Object> variables = new HashMap<>();
        variables.put("self", CelValues.of(value, schema));
        if (!before.isMissingNode()) {
            variables.put("oldSelf", CelValues.of(before, schema));
        }
        String field = path + rule.path("fieldPath").asText();
        try {
            if (!Boolean.TRUE.equals(Objects.requireNonNull(programs.get(text)).eval(variables))) {
                causes.add(field + ": " + rule.path("message").asText("failed rule: " + text));
            }
        } catch (CelEvaluationException e) {
            causes.add(field + ": rule can't be evaluated: " + text + ": " + e.getMessage());
        }
    }
}
