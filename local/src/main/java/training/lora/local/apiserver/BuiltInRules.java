package training.lora.local.apiserver;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What a real server fills in and refuses for built-in kinds, as far as controllers and kubectl rely on it. */
final class BuiltInRules {
    private static final JsonNode POD_DEFAULTS = parse("""
            {"restartPolicy": "Always", "terminationGracePeriodSeconds": 30}""");
    private static final JsonNode CONTAINER_DEFAULTS = parse("""
            {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}""");
    private static final JsonNode PENDING = parse("""
            {"status": {"phase": "Pending"}}""");
    private static final JsonNode ACTIVE = parse("""
            {"status": {"phase": "Active"}}""");
    private static final JsonNode ESTABLISHED = parse("""
            {"status": {"conditions": [{"type": "Established", "status": "True"}]}}""");
    /** Fields of a Job that would have no effect here. */
    private static final List<String> UNSUPPORTED = List.of(
            "activeDeadlineSeconds",
            "backoffLimitPerIndex",
            "managedBy",
            "manualSelector",
            "successPolicy",
            "ttlSecondsAfterFinished");

    private BuiltInRules() {}

    private static JsonNode parse(String json) {
        try {
            return Request.JSON.readTree(json);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(json, e);
        }
    }

    static void fillIn(Resource resource, ObjectNode object) {
        switch (resource.qualifiedName()) {
            case "pods" -> {
                podSpec(object.withObject("/spec"));
                fill(object, PENDING);
            }
            case "jobs.batch" -> job(object);
            case "persistentvolumeclaims" -> fill(object, PENDING);
            case "namespaces" -> fill(object, ACTIVE);
            case "secrets" -> secret(object);
            case Registry.CRDS -> fill(object, ESTABLISHED);
            default -> {}
        }
    }

    /** What is given in clear becomes data; it is never answered so. */
    private static void secret(ObjectNode secret) {
        if (secret.path("type").asText().isEmpty()) {
            secret.put("type", "Opaque");
        }
        if (secret.remove("stringData") instanceof ObjectNode texts) {
            ObjectNode data = secret.withObject("/data");
            for (Map.Entry<String, JsonNode> text : texts.properties()) {
                byte[] bytes = text.getValue().asText().getBytes(StandardCharsets.UTF_8);
                data.put(text.getKey(), Base64.getEncoder().encodeToString(bytes));
            }
        }
    }

    private static void job(ObjectNode job) {
        ObjectNode template = job.withObject("/spec/template");
        ObjectNode labels = template.withObject("/metadata/labels");
        labels.put("batch.kubernetes.io/controller-uid", Meta.uid(job));
        labels.put("batch.kubernetes.io/job-name", Meta.name(job)).put("job-name", Meta.name(job));
        podSpec(template.withObject("/spec"));
        job.withObject("/status");
    }

    private static void podSpec(ObjectNode spec) {
        fill(spec, POD_DEFAULTS);
        for (JsonNode container : spec.path("containers")) {
            if (container instanceof ObjectNode object) {
                fill(object, CONTAINER_DEFAULTS);
            }
        }
    }

    private static void fill(ObjectNode object, JsonNode defaults) {
        for (Map.Entry<String, JsonNode> e : defaults.properties()) {
            if (!object.hasNonNull(e.getKey())) {
                object.set(e.getKey(), e.getValue().deepCopy());
            }
        }
    }

    /** The few checks that keep a controller from what it can't do; the schemas of built-in kinds are not checked. */
    static List<String> validate(Resource resource, @Nullable ObjectNode before, ObjectNode object) {
        List<String> causes = new ArrayList<>();
        JsonNode spec = object.path("spec");
        if (resource.is("secrets")) {
            secret(before, object, causes);
        } else if (resource.is("pods")) {
            requireContainers(spec, "spec", causes);
        } else if (resource.is("jobs.batch")) {
            requireContainers(spec.at("/template/spec"), "spec.template.spec", causes);
            UNSUPPORTED.stream()
                    .filter(spec::hasNonNull)
                    .forEach(field -> causes.add("spec." + field + ": is not supported by the embedded cluster"));
            only(spec, "backoffLimit", 0, causes);
            only(spec, "parallelism", 1, causes);
            only(spec, "completions", 1, causes);
            if (spec.path("suspend").asBoolean()) {
                causes.add("spec.suspend: a suspended Job is not supported by the embedded cluster");
            }
            if (before != null && !spec.path("template").equals(before.at("/spec/template"))) {
                causes.add("spec.template: field is immutable");
            }
        }
        return causes;
    }

    private static void secret(@Nullable ObjectNode before, ObjectNode object, List<String> causes) {
        for (Map.Entry<String, JsonNode> entry : object.path("data").properties()) {
            if (!isBase64(entry.getValue())) {
                causes.add("data[" + entry.getKey() + "]: must be base64");
            }
            if (!entry.getKey().matches("[-._a-zA-Z0-9]+")) {
                causes.add("data[" + entry.getKey() + "]: must be letters, digits, '-', '_' or '.'");
            }
        }
        if (before != null && !object.path("type").equals(before.path("type"))) {
            causes.add("type: field is immutable");
        }
    }

    private static boolean isBase64(JsonNode value) {
        try {
            Base64.getDecoder().decode(value.asText());
            return value.isTextual();
        } catch (IllegalArgumentException e) {
            return false;
        }
    }

    private static void only(JsonNode spec, String field, int value, List<String> causes) {
        if (spec.path(field).asInt(value) != value) {
            causes.add("spec." + field + ": must be " + value + " in the embedded cluster, was " + spec.get(field));
        }
    }

    private static void requireContainers(JsonNode spec, String path, List<String> causes) {
        JsonNode first = spec.path("containers").path(0);
        for (String field : List.of("name", "image")) {
            if (!first.hasNonNull(field)) {
                causes.add(path + ".containers[0]." + field + ": must be given");
            }
        }
    }

    /** Whether an object that is being deleted and has no finalizer stays all the same: a pod until its process ended. */
    static boolean isHeldWhileDeleted(Resource resource, ObjectNode object) {
        return resource.is("pods")
                && runs(object)
                && object.at("/metadata/deletionGracePeriodSeconds").asLong() > 0;
    }

    /** Whether a pod was given to a node and has not ended. */
    static boolean runs(ObjectNode pod) {
        String phase = pod.at("/status/phase").asText();
        return pod.path("spec").has("nodeName") && !phase.equals("Succeeded") && !phase.equals("Failed");
    }
}
