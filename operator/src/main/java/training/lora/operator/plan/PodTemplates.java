package training.lora.operator.plan;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fabric8.kubernetes.api.model.PodSpec;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import training.lora.api.Json;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.PodTemplate;
import training.lora.api.Stage;
import training.lora.api.StageRuntimeSpec;

/** Which pod templates are allowed, and how a stage's is merged into its pod. */
final class PodTemplates {
    /** What no setting can allow: on these the operator's work depends. */
    static final Set<String> OURS = Set.of(
            "activeDeadlineSeconds",
            "automountServiceAccountToken",
            "restartPolicy",
            "serviceAccount",
            "serviceAccountName");

    private static final Set<String> POD_FIELDS = Stream.of(PodSpec.class.getDeclaredFields())
            .filter(f -> f.isAnnotationPresent(JsonProperty.class))
            .map(f -> f.getAnnotation(JsonProperty.class).value())
            .collect(Collectors.toUnmodifiableSet());

    /** What a platform names to allow annotations that are read below Kubernetes. */
    static final String ANNOTATIONS = "annotations";

    /** Prefixes and names of labels and annotations that operator and Job controller read. */
    private static final List<String> RESERVED =
            List.of("lora.training/", "batch.kubernetes.io/", "app.kubernetes.io/", "job-name", "controller-uid");

    /**
     * Prefixes of annotations that kubelets, container runtimes, their plugins and networks read: by some of them a pod
     * gets devices, mounts, networks or a security profile that its spec doesn't have.
     */
    private static final List<String> OF_RUNTIMES = List.of(
            "apparmor.security.beta.kubernetes.io/",
            "cdi.k8s.io/",
            "cni.projectcalico.org/",
            "container.apparmor.security.beta.kubernetes.io/",
            "container.seccomp.security.alpha.kubernetes.io/",
            "cri-o.",
            "dev.gvisor.",
            "io.containerd.",
            "io.katacontainers.",
            "io.kubernetes.",
            "k8s.ovn.org/",
            "k8s.v1.cni.cncf.io/",
            "kubernetes.io/",
            "module.wasm.image/",
            "networking.gke.io/",
            "nvidia.cdi.k8s.io/",
            "org.systemd.",
            "run.oci.",
            "seccomp.security.alpha.kubernetes.io/",
            "v1.multus-cni.io/");

    /** Plugins of the runtime (NRI) have names of their own before this. */
    private static final String OF_PLUGINS = ".nri.io/";

    private PodTemplates() {}

    /** Whether a platform may allow that field. */
    static boolean isAllowable(String field) {
        return field.equals(ANNOTATIONS) || (POD_FIELDS.contains(field) && !OURS.contains(field));
    }

    /** What of the pod templates is not allowed, one sentence each. */
    static List<String> problems(LoraTrainingSpec spec, PodSettings settings) {
        List<String> problems = new ArrayList<>();
        for (StageRuntimeSpec stage : spec.runtime().stages()) {
            PodTemplate template = stage.podTemplate();
            if (template == null) {
                continue;
            }
            String path = "spec.runtime.stages[%s].podTemplate".formatted(stage.name());
            reserved(problems, path + ".metadata.labels", template.metadata().labels());
            annotations(
                    problems,
                    path + ".metadata.annotations",
                    template.metadata().annotations(),
                    settings);
            template.spec().forEach((field, value) -> field(problems, path + ".spec." + field, field, value, settings));
        }
        return problems;
    }

    private static void reserved(List<String> problems, String path, Map<String, String> given) {
        for (String name : new TreeSet<>(given.keySet())) {
            if (RESERVED.stream().anyMatch(name::startsWith)) {
                problems.add("`%s` must not set %s, which is the operator's".formatted(path, name));
            } else if (Names.isKueues(name)) {
                problems.add("`%s` must not set %s, which is read from `metadata`".formatted(path, name));
            }
        }
    }

    private static void annotations(
            List<String> problems, String path, Map<String, String> given, PodSettings settings) {
        reserved(problems, path, given);
        if (settings.allowedPodFields().contains(ANNOTATIONS)) {
            return;
        }
        for (String name : new TreeSet<>(given.keySet())) {
            if (OF_RUNTIMES.stream().anyMatch(name::startsWith) || name.contains(OF_PLUGINS)) {
                problems.add(
                        "`%s` must not set %s, which container runtimes or networks may read; ask your platform team to add annotations to the operator's setting `lora.pod-template.allow`"
                                .formatted(path, name));
            }
        }
    }

    private static void field(List<String> problems, String path, String field, Object value, PodSettings settings) {
        if (field.equals("serviceAccountName") || field.equals("serviceAccount")) {
            problems.add("`%s` must be given as `spec.runtime.serviceAccountName`".formatted(path));
        } else if (OURS.contains(field)) {
            problems.add("`%s` must be unset: it is the operator's".formatted(path));
        } else if (!POD_FIELDS.contains(field)) {
            problems.add("`%s` must be a field of a pod's spec, which has no %s".formatted(path, field));
        } else if (!PodTemplate.FIELDS.contains(field)
                && !settings.allowedPodFields().contains(field)) {
            problems.add(
                    "`%s` is not allowed here; ask your platform team to add %s to the operator's setting `lora.pod-template.allow`"
                            .formatted(path, field));
        } else {
            form(problems, path, field, value);
        }
    }

    private static void form(List<String> problems, String path, String field, Object value) {
        try {
            Json.MAPPER.convertValue(Map.of(field, value), PodSpec.class);
        } catch (IllegalArgumentException e) {
            String why = String.valueOf(e.getMessage()).lines().findFirst().orElse("");
            problems.add("`%s` must have the form that it has in a pod: %s".formatted(path, why));
        }
    }

    /** {@code pod} with what the stage's pod template and the platform add to it. */
    static PodSpec merge(PodSpec pod, LoraTraining resource, Stage stage, PodSettings settings) {
        ObjectNode merged = Json.MAPPER.valueToTree(pod);
        StrategicMerge.into(merged, Json.MAPPER.valueToTree(Placement.of(resource, stage, settings)));
        return Json.MAPPER.convertValue(merged, PodSpec.class);
    }
}
