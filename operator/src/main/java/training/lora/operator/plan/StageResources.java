package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.Quantity;
import io.fabric8.kubernetes.api.model.ResourceRequirements;
import io.fabric8.kubernetes.api.model.ResourceRequirementsBuilder;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTraining;
import training.lora.api.ResourcesSpec;
import training.lora.api.Stage;
import training.lora.api.StageRuntimeSpec;

/** What a stage's container asks for: what the resource says and, by name, the operator's default for the rest. */
final class StageResources {
    private static final ResourcesSpec NOTHING = new ResourcesSpec(Map.of(), Map.of());

    private StageResources() {}

    static ResourceRequirements of(LoraTraining resource, Stage stage, PodSettings settings) {
        ResourcesSpec given = given(resource, stage);
        ResourcesSpec defaults = settings.defaultResources(stage);
        Map<String, Quantity> requests = new TreeMap<>();
        Map<String, Quantity> limits = new TreeMap<>();
        Set<String> names = new TreeSet<>(given.requests().keySet());
        names.addAll(given.limits().keySet());
        names.addAll(defaults.requests().keySet());
        names.addAll(defaults.limits().keySet());
        for (String name : names) {
            Quantity request = quantity(given.requests().get(name));
            Quantity limit = quantity(given.limits().get(name));
            // A default gives way to what was given: a request above its limit is refused.
            Quantity effectiveLimit =
                    limit != null ? limit : larger(quantity(defaults.limits().get(name)), request);
            Quantity effectiveRequest = request != null
                    ? request
                    : smaller(quantity(defaults.requests().get(name)), effectiveLimit);
            if (effectiveRequest != null) {
                requests.put(name, effectiveRequest);
            }
            if (effectiveLimit != null) {
                limits.put(name, effectiveLimit);
            }
        }
        return new ResourceRequirementsBuilder()
                .withRequests(requests)
                .withLimits(limits)
                .build();
    }

    /** The names by which a stage asks for cards of NVIDIA's: whole, shared or parts of one. */
    static Set<String> cards(LoraTraining resource, Stage stage) {
        ResourcesSpec given = given(resource, stage);
        Set<String> cards = new TreeSet<>(given.requests().keySet());
        cards.addAll(given.limits().keySet());
        cards.removeIf(name -> !name.equals("nvidia.com/gpu")
                && !name.equals("nvidia.com/gpu.shared")
                && !name.startsWith("nvidia.com/mig-"));
        return cards;
    }

    private static ResourcesSpec given(LoraTraining resource, Stage stage) {
        return resource.getSpec().runtime().stages().stream()
                .filter(s -> s.name() == stage)
                .map(StageRuntimeSpec::resources)
                .findFirst()
                .orElse(NOTHING);
    }

    private static @Nullable Quantity quantity(@Nullable String text) {
        return text == null ? null : new Quantity(text);
    }

    private static @Nullable Quantity larger(@Nullable Quantity fallback, @Nullable Quantity given) {
        boolean replaced = fallback != null && given != null && compare(given, fallback) > 0;
        return replaced ? given : fallback;
    }

    private static @Nullable Quantity smaller(@Nullable Quantity fallback, @Nullable Quantity given) {
        boolean replaced = fallback != null && given != null && compare(given, fallback) < 0;
        return replaced ? given : fallback;
    }

    private static int compare(Quantity one, Quantity other) {
        return one.getNumericalAmount().compareTo(other.getNumericalAmount());
    }
}
