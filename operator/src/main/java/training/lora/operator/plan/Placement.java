package training.lora.operator.plan;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTraining;
import training.lora.api.PodTemplate;
import training.lora.api.Stage;
import training.lora.api.StageRuntimeSpec;

/**
 * Where a stage may run. The first pod decides in which zone, or on which node, the workspace's volume is made; were that
 * one where no card is, Train could never start. So what one stage needs holds for all that don't say otherwise.
 */
final class Placement {
    /** What the other stages take from Train. */
    private static final Set<String> INHERITED = Set.of("affinity", "imagePullSecrets", "nodeSelector", "tolerations");

    private Placement() {}

    /** The fields of the stage's pod template, with those that it takes from Train and from the platform. */
    static Map<String, Object> of(LoraTraining resource, Stage stage, PodSettings settings) {
        Map<String, Object> own = fields(resource, stage);
        Map<String, Object> fields = inherited(resource, stage);
        fields.putAll(own);
        Set<String> cards = cards(resource);
        boolean hasCard = !StageResources.cards(resource, stage).isEmpty();
        if (!cards.isEmpty() && (hasCard || !own.containsKey("nodeSelector"))) {
            selectNodesWithCards(fields, settings.gpuNodeSelector());
        }
        if (!cards.isEmpty() && (hasCard || !own.containsKey("tolerations"))) {
            tolerateNodesWithCards(fields, cards);
        }
        return fields;
    }

    /** What the stage takes from Train where its own pod template has nothing else. */
    static Map<String, Object> inherited(LoraTraining resource, Stage stage) {
        Map<String, Object> fields = new LinkedHashMap<>(fields(resource, Stage.Train));
        fields.keySet().retainAll(stage == Stage.Train ? Set.of() : INHERITED);
        return fields;
    }

    /** The names by which any stage asks for cards. */
    static Set<String> cards(LoraTraining resource) {
        Set<String> cards = new TreeSet<>();
        Stream.of(Stage.values()).forEach(s -> cards.addAll(StageResources.cards(resource, s)));
        return cards;
    }

    static @Nullable PodTemplate template(LoraTraining resource, Stage stage) {
        for (StageRuntimeSpec runtime : resource.getSpec().runtime().stages()) {
            if (runtime.name() == stage) {
                return runtime.podTemplate();
            }
        }
        return null;
    }

    private static Map<String, Object> fields(LoraTraining resource, Stage stage) {
        PodTemplate template = template(resource, stage);
        return template == null ? Map.of() : template.spec();
    }

    private static void selectNodesWithCards(Map<String, Object> fields, Map<String, String> labels) {
        if (labels.isEmpty()) {
            return;
        }
        Map<Object, Object> selector = new LinkedHashMap<>(labels);
        if (fields.get("nodeSelector") instanceof Map<?, ?> given) {
            selector.putAll(given);
        }
        fields.put("nodeSelector", selector);
    }

    /** The taint that keeps others away from nodes with cards; most clusters let pods that ask for a card tolerate it, and only those. */
    private static void tolerateNodesWithCards(Map<String, Object> fields, Set<String> cards) {
        List<Object> tolerations = new ArrayList<>();
        if (fields.get("tolerations") instanceof List<?> given) {
            tolerations.addAll(given);
        }
        Set<String> taints = new TreeSet<>(cards);
        taints.add("nvidia.com/gpu");
        for (String taint : taints) {
            Map<String, String> toleration = Map.of("key", taint, "operator", "Exists", "effect", "NoSchedule");
            if (!tolerations.contains(toleration)) {
                tolerations.add(toleration);
            }
        }
        fields.put("tolerations", tolerations);
    }
}
