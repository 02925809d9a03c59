package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.local.apiserver.ApiException.Cause;

/** What a real server fills in and refuses for built-in kinds, as far as controllers and kubectl rely on it. */
final class BuiltInRules {
    private static final String POD_DEFAULTS = """
            {"restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
             "schedulerName": "default-scheduler", "securityContext": {}}""";
    private static final String CONTAINER_DEFAULTS = """
            {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
             "imagePullPolicy": "IfNotPresent", "resources": {}}""";
    private static final String JOB_DEFAULTS = """
            {"backoffLimit": 6, "completionMode": "NonIndexed", "completions": 1, "manualSelector": false,
             "parallelism": 1, "suspend": false}""";

    private BuiltInRules() {}

    static void onCreate(Resource resource, ObjectNode object) {
        switch (resource.qualifiedName()) {
            case "pods" -> {
                podSpec(object.withObject("/spec"));
                object.withObject("/status").put("phase", "Pending");
            }
            case "jobs.batch" -> job(object);
            case "persistentvolumeclaims" -> object.withObject("/status").put("phase", "Pending");
            case "namespaces" -> {
                String name = object.path("metadata").path("name").asText();
                object.withObject("/metadata").withObject("/labels").put("kubernetes.io/metadata.name", name);
                object.withObject("/status").put("phase", "Active");
            }
            case "secrets" -> {
                setAbsent(object, "type", TextNode.valueOf("Opaque"));
                encodeStringData(object);
            }
            case Registry.CRDS -> establish(object);
            default -> {}
        }
    }

    static void onUpdate(Resource resource, ObjectNode before, ObjectNode object) {
        switch (resource.qualifiedName()) {
            case "pods" -> podSpec(object.withObject("/spec"));
            case "jobs.batch" -> {
                fill(object.withObject("/spec"), JOB_DEFAULTS);
                setAbsent(object.withObject("/spec"), "selector", before.at("/spec/selector"));
                podSpec(object.withObject("/spec").withObject("/template").withObject("/spec"));
            }
            case "secrets" -> encodeStringData(object);
            case Registry.CRDS -> establish(object);
            default -> {}
        }
    }

    private static void job(ObjectNode job) {
        String uid = job.path("metadata").path("uid").asText();
        ObjectNode spec = job.withObject("/spec");
        ObjectNode template = spec.withObject("/template");
        fill(spec, JOB_DEFAULTS);
        spec.withObject("/selector").withObject("/matchLabels").put("batch.kubernetes.io/controller-uid", uid);
        ObjectNode labels = template.withObject("/metadata").withObject("/labels");
        String name = job.path("metadata").path("name").asText();
        labels.put("batch.kubernetes.io/controller-uid", uid).put("controller-uid", uid);
        labels.put("batch.kubernetes.io/job-name", name).put("job-name", name);
        if (!job.path("metadata").has("labels")) {
            job.withObject("/metadata").set("labels", labels.deepCopy());
        }
        podSpec(template.withObject("/spec"));
        job.putObject("status");
    }

    private static void podSpec(ObjectNode spec) {
        fill(spec, POD_DEFAULTS);
        for (String list : List.of("initContainers", "containers")) {
            for (JsonNode container : spec.path(list)) {
                if (container instanceof ObjectNode object) {
                    fill(object, CONTAINER_DEFAULTS);
                }
            }
        }
    }

    private static void fill(ObjectNode object, String defaults) {
        for (Map.Entry<String, JsonNode> e : parse(defaults).properties()) {
            setAbsent(object, e.getKey(), e.getValue());
        }
    }

    private static JsonNode parse(String json) {
        try {
            return Request.JSON.readTree(json);
        } catch (com.fasterxml.jackson.core.JsonProcessingException e) {
            throw new IllegalArgumentException(json, e);
        }
    }

    private static void setAbsent(ObjectNode object, String field, JsonNode value) {
        if (!object.hasNonNull(field) && !value.isMissingNode()) {
            object.set(field, value);
        }
    }

    private static void encodeStringData(ObjectNode secret) {
        if (secret.remove("stringData") instanceof ObjectNode plain) {
            for (Map.Entry<String, JsonNode> e : plain.properties()) {
                byte[] bytes = e.getValue().asText().getBytes(StandardCharsets.UTF_8);
                secret.withObject("/data").put(e.getKey(), Base64.getEncoder().encodeToString(bytes));
            }
        }
    }

    private static void establish(ObjectNode crd) {
        ObjectNode status = crd.withObject("/status");
        JsonNode names = crd.path("spec").path("names");
        status.set("acceptedNames", names.deepCopy());
        ObjectNode accepted = status.withObject("/acceptedNames");
        setAbsent(accepted, "listKind", TextNode.valueOf(names.path("kind").asText() + "List"));
        setAbsent(
                accepted,
                "singular",
                TextNode.valueOf(names.path("kind").asText().toLowerCase(java.util.Locale.ROOT)));
        crd.withObject("/spec").set("names", accepted.deepCopy());
        status.putArray("storedVersions")
                .add(crd.path("spec").path("versions").path(0).path("name"));
        if (!status.has("conditions")) {
            ArrayNode conditions = status.putArray("conditions");
            condition(conditions, "NamesAccepted", "NoConflicts", "no conflicts found");
            condition(conditions, "Established", "InitialNamesAccepted", "the initial names have been accepted");
        }
    }

    private static void condition(ArrayNode conditions, String type, String reason, String message) {
        conditions
                .addObject()
                .put("type", type)
                .put("status", "True")
                .put("lastTransitionTime", ObjectWriter.now())
                .put("reason", reason)
                .put("message", message);
    }

    /** The few checks that the project's own objects could fail; the schemas of built-in kinds are not checked. */
    static List<Cause> validate(Resource resource, @Nullable ObjectNode before, ObjectNode object) {
        List<Cause> causes = new ArrayList<>();
        switch (resource.qualifiedName()) {
            case "pods" -> requireContainers(object.path("spec"), "spec", causes);
            case "jobs.batch" -> {
                requireContainers(object.at("/spec/template/spec"), "spec.template.spec", causes);
                String policy = object.at("/spec/template/spec/restartPolicy").asText();
                if (!policy.equals("Never") && !policy.equals("OnFailure")) {
                    causes.add(new Cause(
                            "spec.template.spec.restartPolicy",
                            "FieldValueRequired",
                            "Required value: valid values: \"OnFailure\", \"Never\""));
                }
                for (String field : List.of("template", "selector", "completions", "podFailurePolicy")) {
                    immutable(before, object, "/spec/" + field, causes);
                }
            }
            case "configmaps", "secrets" -> {
                if (before != null && before.path("immutable").asBoolean()) {
                    for (String field : List.of("data", "binaryData", "immutable")) {
                        if (!before.path(field).equals(object.path(field))) {
                            causes.add(new Cause(
                                    field,
                                    "FieldValueForbidden",
                                    "Forbidden: field is immutable when `immutable` is set"));
                        }
                    }
                }
            }
            default -> {}
        }
        return causes;
    }

    private static void requireContainers(JsonNode spec, String path, List<Cause> causes) {
        if (spec.path("containers").isEmpty()) {
            causes.add(new Cause(path + ".containers", "FieldValueRequired", "Required value"));
        }
        for (int i = 0; i < spec.path("containers").size(); i++) {
            for (String field : List.of("name", "image")) {
                if (spec.path("containers").path(i).path(field).asText("").isEmpty()) {
                    causes.add(new Cause(
                            path + ".containers[" + i + "]." + field, "FieldValueRequired", "Required value"));
                }
            }
        }
    }

    private static void immutable(@Nullable ObjectNode before, ObjectNode object, String pointer, List<Cause> causes) {
        // A suspended Job that has not started may change its template, as Kueue needs it.
        boolean free = before != null
                && before.at("/spec/suspend").asBoolean()
                && before.at("/status/startTime").isMissingNode();
        if (before != null && !free && !before.at(pointer).equals(object.at(pointer))) {
            causes.add(new Cause(
                    pointer.substring(1).replace('/', '.'),
                    "FieldValueInvalid",
                    "Invalid value: " + object.at(pointer) + ": field is immutable"));
        }
    }

    /**
     * Whether an object that is being deleted and has no finalizer stays all the same: a pod until its runner has
     * stopped it, a namespace and a CRD until their objects are gone.
     */
    static boolean isHeldWhileDeleted(Resource resource, ObjectNode object) {
        return switch (resource.qualifiedName()) {
            case "pods" ->
                runs(object)
                        && object.path("metadata")
                                        .path("deletionGracePeriodSeconds")
                                        .asLong()
                                > 0;
            case "namespaces", Registry.CRDS -> true;
            default -> false;
        };
    }

    /** Whether a pod was given to a node and has not ended. */
    static boolean runs(ObjectNode pod) {
        String phase = pod.path("status").path("phase").asText();
        return !pod.path("spec").path("nodeName").asText("").isEmpty()
                && !phase.equals("Succeeded")
                && !phase.equals("Failed");
    }
}
