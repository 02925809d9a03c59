package training.lora.api;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLGenerator;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import io.fabric8.crdv2.generator.CRDGenerator;
import java.io.IOException;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.List;
import java.util.Map;

/**
 * Makes the CRD from the records. Fabric8's generator knows no list types, gives no defaults to parents and requires no
 * spec, so that is added here; the defaults are those of the records' compact constructors.
 */
final class CrdWriter {
    private static final YAMLMapper YAML = YAMLMapper.builder()
            .disable(YAMLGenerator.Feature.WRITE_DOC_START_MARKER)
            .disable(YAMLGenerator.Feature.SPLIT_LINES)
            .enable(YAMLGenerator.Feature.MINIMIZE_QUOTES)
            .build();

    private static final Map<String, List<String>> LIST_MAPS = Map.of(
            "spec.datasets", List.of("name"),
            "spec.runtime.stages", List.of("name"),
            "status.conditions", List.of("type"),
            "status.stages", List.of("name"),
            "status.checkpoints", List.of("step"));

    private CrdWriter() {}

    static String write(Path folder) throws IOException {
        new CRDGenerator()
                .inOutputDir(Files.createDirectories(folder).toFile())
                .customResourceClasses(LoraTraining.class)
                .forCRDVersions("v1")
                .generate();
        ObjectNode crd = (ObjectNode) YAML.readTree(
                folder.resolve("loratrainings.lora.training-v1.yml").toFile());
        ObjectNode version = (ObjectNode) crd.at("/spec/versions/0");
        ObjectNode schema = (ObjectNode) version.at("/schema/openAPIV3Schema");
        schema.put("description", "A training of a LoRA for Stable Diffusion, from pictures to a measured adapter.");
        schema.putArray("required").add("spec");
        ObjectNode properties = (ObjectNode) schema.get("properties");
        ObjectNode spec = (ObjectNode) properties.get("spec");
        ObjectNode status = (ObjectNode) properties.get("status");

        ObjectNode defaults = (ObjectNode) tree(LoraTrainingSpec.class);
        // Written into a resource, it would stand beside the epochs that are given instead.
        ((ObjectNode) defaults.get("training")).remove("steps");
        // Their defaults are the optimizer type's, and that of the norm is the method's.
        ObjectNode optimizer = (ObjectNode) defaults.at("/training/optimizer");
        optimizer.remove(List.of("weightDecay", "beta1", "beta2", "maxGradientNorm"));
        ((ObjectNode) optimizer.get("schedule")).remove("type");
        addDefaults(spec, defaults);
        addDefaultsBelow(spec, LoraTrainingSpec.class);
        // Nothing below it has a default.
        ((ObjectNode) spec.at("/properties/runtime/properties/stages/items/properties/podTemplate/properties/metadata"))
                .remove("default");
        spec.remove("default");
        status.putObject("default").put("observedGeneration", -1);
        LIST_MAPS.forEach((path, keys) -> {
            ObjectNode list = (ObjectNode) properties.at("/" + path.replace(".", "/properties/"));
            list.put("x-kubernetes-list-type", "map");
            keys.forEach(list.putArray("x-kubernetes-list-map-keys")::add);
        });
        // A structural schema has to require its list-map keys or give them a default.
        require(status.at("/properties/conditions/items"), "type");
        require(status.at("/properties/stages/items"), "name");
        require(status.at("/properties/checkpoints/items"), "step");
        JsonNode stage = spec.at("/properties/runtime/properties/stages/items/properties");
        ((ObjectNode) stage.at("/podTemplate/properties"))
                .set("spec", PodSchema.write(stage.at("/podTemplate/properties/spec"), folder));
        bound(schema);
        quantities(stage.at("/resources/properties"));
        addColumns(version);
        return "# Generated from the records of this module; `mvn -pl crds test -Dcrd.update=true` writes it anew.\n"
                + YAML.writeValueAsString(crd);
    }

    private static JsonNode tree(Class<? extends Record> type) {
        return Json.MAPPER.valueToTree(Defaults.of(type));
    }

    private static void addDefaults(ObjectNode schema, JsonNode defaults) {
        Iterator<Map.Entry<String, JsonNode>> fields = schema.get("properties").fields();
        while (fields.hasNext()) {
            Map.Entry<String, JsonNode> field = fields.next();
            JsonNode value = defaults.get(field.getKey());
            ObjectNode property = (ObjectNode) field.getValue();
            boolean required = isRequired(schema, field.getKey());
            if (value == null || required) {
                continue;
            }
            if (property.has("properties")) {
                // A real API server holds a default against the CEL rules before it adds the defaults below it.
                boolean ruled = property.has("x-kubernetes-validations");
                property.set("default", ruled ? value : property.objectNode());
                addDefaults(property, value);
            } else if (!(value.isContainerNode() && value.isEmpty())) {
                property.set("default", value);
            }
        }
    }

    /** Those of parts that are unset by default, and of entries of lists: what holds once they are given. */
    private static void addDefaultsBelow(ObjectNode schema, Class<? extends Record> type) {
        for (RecordComponent component : type.getRecordComponents()) {
            JsonNode property = schema.at("/properties/" + component.getName());
            Class<?> of = component.getType();
            if (List.class.isAssignableFrom(of)
                    && component.getGenericType() instanceof ParameterizedType list
                    && list.getActualTypeArguments()[0] instanceof Class<?> element) {
                of = element;
                property = property.path("items");
            }
            if (!of.isRecord() || !(property instanceof ObjectNode part) || !part.has("properties")) {
                continue;
            }
            Class<? extends Record> record = of.asSubclass(Record.class);
            if (!part.has("default")) {
                addDefaults(part, tree(record));
            }
            addDefaultsBelow(part, record);
        }
    }

    private static boolean isRequired(ObjectNode schema, String name) {
        for (JsonNode required : schema.path("required")) {
            if (required.asText().equals(name)) {
                return true;
            }
        }
        return false;
    }

    private static void require(JsonNode schema, String name) {
        ((ObjectNode) schema).putArray("required").add(name);
    }

    /** As in a container, a quantity may be a number: {@code cpu: 2}. */
    private static void quantities(JsonNode maps) {
        for (JsonNode map : maps) {
            ObjectNode quantity = ((ObjectNode) map).putObject("additionalProperties");
            ArrayNode types = quantity.putArray("anyOf");
            types.addObject().put("type", "integer");
            types.addObject().put("type", "string");
            quantity.put("pattern", ResourcesSpec.QUANTITY).put("maxLength", 32);
            quantity.put("x-kubernetes-int-or-string", true);
        }
    }

    /** A real API server refuses CEL rules over strings and lists without a bound, for their cost. */
    private static void bound(JsonNode schema) {
        if (schema instanceof ObjectNode object && object.path("type").isTextual()) {
            String type = object.get("type").asText();
            if (type.equals("string") && !object.has("maxLength") && !object.has("enum")) {
                object.put("maxLength", 4096);
            } else if (type.equals("array") && !object.has("maxItems")) {
                object.put("maxItems", 256);
            }
        }
        schema.elements().forEachRemaining(CrdWriter::bound);
    }

    private static void addColumns(ObjectNode version) {
        ArrayNode columns = version.putArray("additionalPrinterColumns");
        column(columns, "Model", "string", ".status.model");
        column(columns, "Stage", "string", ".status.phase");
        column(columns, "Progress", "string", ".status.progress.percent");
        column(columns, "Loss", "string", ".status.loss");
        column(columns, "Left", "string", ".status.progress.remaining");
        column(columns, "Score", "string", ".status.best.metrics[?(@.name==\"score\")].value");
        column(columns, "Age", "date", ".metadata.creationTimestamp");
    }

    private static void column(ArrayNode columns, String name, String type, String path) {
        columns.addObject().put("name", name).put("type", type).put("jsonPath", path);
    }
}
