package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
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
import io.soabase.recordbuilder.core.RecordBuilder;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import training.lora.local.apiserver.ApiException.Cause;

/** The {@code x-kubernetes-validations} of a CRD, compiled once by dev.cel; their cost is not estimated. */
final class CelRules {
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

    @RecordBuilder
    record Rule(
            String text,
            CelRuntime.Program program,
            CelRuntime.@Nullable Program messageExpression,
            String message,
            String fieldPath,
            String reason,
            boolean transition) {}

    /** The rules at one place of the schema and below it. */
    private record Node(
            JsonNode schema,
            List<Rule> rules,
            Map<String, Node> properties,
            @Nullable Node items,
            @Nullable Node additional) {
        boolean isEmpty() {
            return rules.isEmpty() && properties.isEmpty() && items == null && additional == null;
        }
    }

    private final Node root;

    private CelRules(Node root) {
        this.root = root;
    }

    /** Compiles; what does not compile is added to {@code problems}, as the CRD's own causes. */
    static CelRules compile(JsonNode schema, String path, List<Cause> problems) {
        return new CelRules(node(schema, path, problems));
    }

    private static Node node(JsonNode schema, String path, List<Cause> problems) {
        List<Rule> rules = new ArrayList<>();
        JsonNode declared = schema.path("x-kubernetes-validations");
        for (int i = 0; i < declared.size(); i++) {
            Rule rule = rule(declared.path(i), path + ".x-kubernetes-validations[" + i + "]", problems);
            if (rule != null) {
                rules.add(rule);
            }
        }
        Map<String, Node> properties = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> e : schema.path("properties").properties()) {
            Node child = node(e.getValue(), path + ".properties[" + e.getKey() + "]", problems);
            if (!child.isEmpty()) {
                properties.put(e.getKey(), child);
            }
        }
        return new Node(
                schema,
                rules,
                properties,
                child(schema.get("items"), path + ".items", problems),
                child(schema.get("additionalProperties"), path + ".additionalProperties", problems));
    }

    private static @Nullable Node child(@Nullable JsonNode schema, String path, List<Cause> problems) {
        if (schema == null || !schema.isObject()) {
            return null;
        }
        Node node = node(schema, path, problems);
        return node.isEmpty() ? null : node;
    }

    private static @Nullable Rule rule(JsonNode declared, String path, List<Cause> problems) {
        String text = declared.path("rule").asText();
        if (declared.path("optionalOldSelf").asBoolean()) {
            problems.add(new Cause(path + ".optionalOldSelf", "FieldValueForbidden", "Forbidden: not supported here"));
        }
        CelRuntime.Program program = program(text, path + ".rule", declared, problems);
        String expression = declared.path("messageExpression").asText();
        CelRuntime.Program message =
                expression.isEmpty() ? null : program(expression, path + ".messageExpression", declared, problems);
        if (program == null) {
            return null;
        }
        return CelRulesRuleBuilder.builder()
                .text(text)
                .program(program)
                .message(declared.path("message").asText("failed rule: " + text))
                .fieldPath(declared.path("fieldPath").asText())
                .reason(declared.path("reason").asText("FieldValueInvalid"))
                .transition(OLD_SELF.matcher(text).find())
                .messageExpression(message)
                .build();
    }

    private static CelRuntime.@Nullable Program program(
            String text, String path, JsonNode value, List<Cause> problems) {
        try {
            return RUNTIME.createProgram(COMPILER.compile(text).getAst());
        } catch (CelValidationException | CelEvaluationException e) {
            problems.add(new Cause(
                    path, "FieldValueInvalid", "Invalid value: " + value + ": compilation failed: " + e.getMessage()));
            return null;
        }
    }

    /** Rules that {@code object} breaks; those that name {@code oldSelf} hold only where there was a value before. */
    List<Cause> validate(ObjectNode object, @Nullable ObjectNode before) {
        List<Cause> causes = new ArrayList<>();
        check(root, withRestrictedMetadata(object), before == null ? null : withRestrictedMetadata(before), "", causes);
        return causes;
    }

    // Rules see but name and generateName of an object's metadata.
    private static ObjectNode withRestrictedMetadata(ObjectNode object) {
        ObjectNode copy = object.objectNode().setAll(object);
        ObjectNode metadata = copy.putObject("metadata");
        for (String name : List.of("name", "generateName")) {
            JsonNode value = object.path("metadata").get(name);
            if (value != null) {
                metadata.set(name, value);
            }
        }
        return copy;
    }

    private static void check(Node node, JsonNode value, @Nullable JsonNode before, String path, List<Cause> causes) {
        if (value.isNull()) {
            return;
        }
        for (Rule rule : node.rules) {
            if (!rule.transition || before != null) {
                evaluate(node, rule, value, before, path, causes);
            }
        }
        for (Map.Entry<String, Node> e : node.properties.entrySet()) {
            JsonNode child = value.get(e.getKey());
            if (child != null) {
                String at = path.isEmpty() ? e.getKey() : path + "." + e.getKey();
                check(e.getValue(), child, before == null ? null : before.get(e.getKey()), at, causes);
            }
        }
        if (node.additional != null) {
            for (Map.Entry<String, JsonNode> e : value.properties()) {
                if (!node.schema.path("properties").has(e.getKey())) {
                    JsonNode old = before == null ? null : before.get(e.getKey());
                    check(node.additional, e.getValue(), old, path + "[" + e.getKey() + "]", causes);
                }
            }
        }
        if (node.items != null) {
            ListType type = ListType.of(node.schema);
            for (int i = 0; i < value.size(); i++) {
                check(
                        node.items,
                        value.path(i),
                        counterpart(type, value.path(i), before),
                        path + "[" + i + "]",
                        causes);
            }
        }
    }

    // Only entries of list-maps can be told to be the same as before.
    private static @Nullable JsonNode counterpart(ListType type, JsonNode entry, @Nullable JsonNode before) {
        if (before == null || type.keys().isEmpty()) {
            return null;
        }
        int index = type.indexOf(before, type.identity(entry));
        return index < 0 ? null : before.get(index);
    }

    private static void evaluate(
            Node node, Rule rule, JsonNode value, @Nullable JsonNode before, String path, List<Cause> causes) {
        Map<String, Object> variables = new LinkedHashMap<>();
        variables.put("self", CelValues.of(value, node.schema));
        if (before != null) {
            variables.put("oldSelf", CelValues.of(before, node.schema));
        }
        String at = path + rule.fieldPath;
        String field = at.isEmpty() ? "<nil>" : at.startsWith(".") ? at.substring(1) : at;
        try {
            if (!Boolean.TRUE.equals(rule.program.eval(variables))) {
                causes.add(new Cause(field, rule.reason, describe(rule, node.schema, variables)));
            }
        } catch (CelEvaluationException e) {
            causes.add(new Cause(
                    field,
                    "FieldValueInvalid",
                    "Invalid value: " + kind(node.schema) + ": rule can't be evaluated: " + rule.text + ": "
                            + e.getMessage()));
        }
    }

    private static String describe(Rule rule, JsonNode schema, Map<String, Object> variables)
            throws CelEvaluationException {
        String message =
                rule.messageExpression == null ? rule.message : String.valueOf(rule.messageExpression.eval(variables));
        return switch (rule.reason) {
            case "FieldValueForbidden" -> "Forbidden: " + message;
            case "FieldValueRequired" -> "Required value: " + message;
            case "FieldValueDuplicate" -> "Duplicate value: " + kind(schema);
            default -> "Invalid value: " + kind(schema) + ": " + message;
        };
    }

    private static String kind(JsonNode schema) {
        return TextNode.valueOf(schema.path("type").asText("object")).toString();
    }
}
