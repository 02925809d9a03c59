package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.EnvVar;
import io.fabric8.kubernetes.api.model.Quantity;
import io.fabric8.kubernetes.api.model.ResourceRequirements;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.List;
import training.lora.api.LoraTraining;

/** The variables by which a stage's trainer finds what it needs. */
final class PodEnvironment {
    static final String TERMINATION_LOG = "/dev/termination-log";

    private PodEnvironment() {}

    static List<EnvVar> of(StageAttempt attempt, ResourceRequirements resources, Settings settings) {
        LoraTraining resource = attempt.resource();
        List<EnvVar> environment = new ArrayList<>();
        if (settings.operatorUrl() != null) {
            environment.add(
                    variable("LORA_PROGRESS_URL", settings.operatorUrl() + "/v1/progress/" + Names.path(resource)));
            environment.add(variable("LORA_PROGRESS_TOKEN_FILE", PodVolumes.TOKEN + "/token"));
            if (settings.pods().authorities() != null) {
                environment.add(variable("LORA_PROGRESS_CA_FILE", PodVolumes.AUTHORITIES + "/ca.crt"));
            }
        }
        environment.add(variable("LORA_RESULT_FILE", TERMINATION_LOG));
        environment.add(variable("LORA_PVC_ROOT", PodVolumes.CLAIMS));
        settings.pods().environment().forEach((name, value) -> environment.add(variable(name, value)));
        if (!References.mounted(resource.getSpec(), attempt.stage(), settings.pods())
                .isEmpty()) {
            environment.add(variable("LORA_SECRETS", PodVolumes.SECRETS));
        }
        if (resource.getSpec().runtime().cache() != null) {
            environment.add(variable("LORA_CACHE", PodVolumes.CACHE));
        }
        Quantity processors = resources.getLimits().get("cpu");
        if (processors != null) {
            // A pod sees all of its node's: more threads than it may run at a time would wait for each other.
            environment.add(variable(
                    "OMP_NUM_THREADS",
                    processors
                            .getNumericalAmount()
                            .setScale(0, RoundingMode.CEILING)
                            .toPlainString()));
        }
        if (!StageResources.cards(resource, attempt.stage()).isEmpty()) {
            // A pod that has a card and can't use it should say so, and not train on its processor.
            environment.add(variable("LORA_DEVICE", "cuda"));
        }
        return environment;
    }

    private static EnvVar variable(String name, String value) {
        return new EnvVar(name, value, null);
    }
}
