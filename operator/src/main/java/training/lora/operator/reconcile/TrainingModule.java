package training.lora.operator.reconcile;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.ObjectCodec;
import com.fasterxml.jackson.databind.DeserializationContext;
import com.fasterxml.jackson.databind.JsonMappingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.deser.std.StdDeserializer;
import com.fasterxml.jackson.databind.exc.InvalidFormatException;
import com.fasterxml.jackson.databind.module.SimpleModule;
import com.fasterxml.jackson.databind.node.ArrayNode;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.LoraTrainingStatus;
import training.lora.api.LoraTrainingStatusBuilder;

/**
 * Reads LoraTrainings so that one of them can't end a list or a watch of all: what can't be read becomes an
 * {@link UnreadableTraining}. Leaves out the metadata that nobody here needs, which is half of an object's size.
 */
public final class TrainingModule extends SimpleModule {
    private static final long serialVersionUID = 1;
    private static final String LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

    /** Reads LoraTrainings. */
    public TrainingModule() {
        addDeserializer(LoraTraining.class, new Reader());
    }

    private static final class Reader extends StdDeserializer<LoraTraining> {
        private static final long serialVersionUID = 1;

        Reader() {
            super(LoraTraining.class);
        }

        @Override
        public LoraTraining deserialize(JsonParser parser, DeserializationContext context) throws IOException {
            ObjectCodec codec = parser.getCodec();
            JsonNode tree = codec.readTree(parser);
            LoraTraining training = read(codec, tree);
            training.setMetadata(metadata(codec, tree.get("metadata")));
            return training;
        }

        private static LoraTraining read(ObjectCodec codec, JsonNode tree) throws JsonProcessingException {
            String field = "spec";
            LoraTrainingSpec spec = null;
            try {
                spec = codec.treeToValue(tree.get("spec"), LoraTrainingSpec.class);
                field = "status";
                LoraTrainingStatus status = codec.treeToValue(tree.get("status"), LoraTrainingStatus.class);
                LoraTraining training = new LoraTraining();
                training.setSpec(spec);
                training.setStatus(status);
                return training;
            } catch (JsonMappingException e) {
                UnreadableTraining training = new UnreadableTraining(problem(field, e));
                training.setSpec(spec);
                training.setStatus(outline(codec, tree.path("status")));
                return training;
            }
        }
    }

    private static @Nullable ObjectMeta metadata(ObjectCodec codec, @Nullable JsonNode tree)
            throws JsonProcessingException {
        ObjectMeta metadata = codec.treeToValue(tree, ObjectMeta.class);
        if (metadata != null) {
            metadata.setManagedFields(null);
            if (metadata.getAnnotations() != null) {
                metadata.getAnnotations().remove(LAST_APPLIED);
            }
        }
        return metadata;
    }

    /** Conditions and phase: enough to say in the status that the rest can't be read. */
    private static LoraTrainingStatus outline(ObjectCodec codec, JsonNode status) {
        List<Condition> conditions = new ArrayList<>();
        if (status.path("conditions") instanceof ArrayNode all) {
            for (JsonNode condition : all) {
                try {
                    conditions.add(codec.treeToValue(condition, Condition.class));
                } catch (JsonProcessingException e) {
                    // It is then written anew.
                    continue;
                }
            }
        }
        JsonNode generation = status.path("observedGeneration");
        return LoraTrainingStatusBuilder.builder()
                .conditions(conditions)
                .stages(List.of())
                .checkpoints(List.of())
                .artifacts(List.of())
                .phase(status.path("phase").isTextual() ? status.get("phase").asText() : null)
                .observedGeneration(generation.isIntegralNumber() ? generation.asLong() : null)
                .build();
    }

    private static String problem(String root, JsonMappingException e) {
        StringBuilder path = new StringBuilder(root);
        for (JsonMappingException.Reference step : e.getPath()) {
            path.append(step.getFieldName() == null ? "[" + step.getIndex() + "]" : "." + step.getFieldName());
        }
        if (e instanceof InvalidFormatException format && format.getTargetType().isEnum()) {
            String known = Arrays.stream(format.getTargetType().getEnumConstants())
                    .map(Object::toString)
                    .collect(Collectors.joining(", "));
            return "`%s` has the value \"%s\", which this version of the operator does not know (it knows %s)"
                    .formatted(path, format.getValue(), known);
        }
        return "`%s` can't be read by this version of the operator: %s".formatted(path, Json.problem(e));
    }
}
