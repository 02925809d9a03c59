package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.OwnerReference;
import io.fabric8.kubernetes.api.model.OwnerReferenceBuilder;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaim;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTraining;
import training.lora.api.Retention;
import training.lora.api.Stage;
import training.lora.api.TrackingSpec;

/** Names, labels and owners of what the operator makes. */
public final class Names {
    /** What all labels and annotations of the product's own begin with. */
    static final String OWN = "lora.training/";

    /** Label with the resource's name. */
    public static final String NAME = OWN + "name";

    /** Label with the run's id. */
    public static final String RUN_ID = OWN + "run-id";

    /** Label with the stage, lower case. */
    public static final String STAGE = OWN + "stage";

    /** Annotation of a LoraTraining by which a person says that the captions are as they should be; any value but false. */
    public static final String CAPTIONS_REVIEWED = OWN + "captions-reviewed";

    /** Annotation of a pod with the time of the newest checkpoint from which another could go on, RFC 3339. */
    public static final String CHECKPOINT_TIME = OWN + "checkpoint-time";

    /** Label and value of all that the operator makes. */
    public static final String MANAGED_BY = "app.kubernetes.io/managed-by";

    public static final String OPERATOR = "lora-operator";
    private static final String KUEUE = "kueue.x-k8s.io/";

    private Names() {}

    /** The name of an attempt's Job. */
    public static String job(String name, Stage stage, int attempt) {
        return name + "-" + lower(stage) + "-" + attempt;
    }

    static String lower(Stage stage) {
        return stage.name().toLowerCase(Locale.ROOT);
    }

    /**
     * The ConfigMap with the file that the trainer reads. It is never written again, so what may change within a run, the
     * names of Secrets and where it is tracked, is part of its name.
     */
    static String runSpec(LoraTraining resource, String runId) {
        String name = resource.getMetadata().getName() + "-run-" + runId;
        Map<String, Object> changing = new TreeMap<>(References.secretsByField(resource.getSpec()));
        TrackingSpec tracking = resource.getSpec().tracking();
        if (tracking != null && (tracking.mlflow() != null || tracking.wandb() != null)) {
            changing.put("spec.tracking", tracking);
        }
        return changing.isEmpty() ? name : name + "-" + Changes.hash(changing).substring(0, 6);
    }

    /** Whether a label or annotation is Kueue's, or for the provisioning that Kueue asks for. */
    static boolean isKueues(String key) {
        return key.startsWith(KUEUE) || key.startsWith("provreq." + KUEUE);
    }

    /** Whether Kueue reads that annotation from a pod template: a pod set's topology and groups. */
    static boolean isKueuesOfPods(String key) {
        return key.startsWith(KUEUE + "podset-");
    }

    /** What a stage's token must be meant for. */
    public static String audience(String uid, Stage stage, int attempt) {
        return "lora-training/" + uid + "/" + stage + "/" + attempt;
    }

    static String claim(LoraTraining resource) {
        String named = resource.getSpec().runtime().workspace().claimName();
        return named != null ? named : resource.getMetadata().getName() + "-workspace";
    }

    /** The run's folder in its claim; null: the whole claim. */
    static @Nullable String subPath(LoraTraining resource) {
        return resource.getSpec().runtime().workspace().claimName() == null
                ? null
                : resource.getMetadata().getName();
    }

    /** Where the run's workspace is, for people. */
    static String workspace(LoraTraining resource) {
        String folder = subPath(resource);
        return "pvc://" + claim(resource) + "/" + (folder == null ? "" : folder + "/");
    }

    static Map<String, String> labels(LoraTraining resource, String runId) {
        Map<String, String> labels = new TreeMap<>();
        labels.put("app.kubernetes.io/name", "lora-training");
        labels.put("app.kubernetes.io/instance", resource.getMetadata().getName());
        labels.put("app.kubernetes.io/component", "trainer");
        labels.put(MANAGED_BY, OPERATOR);
        labels.put(NAME, resource.getMetadata().getName());
        labels.put(RUN_ID, runId);
        return labels;
    }

    static OwnerReference owner(LoraTraining resource) {
        return new OwnerReferenceBuilder()
                .withApiVersion(resource.getApiVersion())
                .withKind(resource.getKind())
                .withName(resource.getMetadata().getName())
                .withUid(resource.getMetadata().getUid())
                .withController(true)
                .withBlockOwnerDeletion(true)
                .build();
    }

    /**
     * Whether {@code child} is a claim that an earlier resource of this name left for the next one, and this one takes
     * it. It is kept whatever its size or class: it holds someone's work.
     */
    public static boolean isRetainedFor(HasMetadata child, LoraTraining resource) {
        Map<String, String> labels = child.getMetadata().getLabels();
        return child instanceof PersistentVolumeClaim
                && resource.getSpec().runtime().workspace().retention() == Retention.Retain
                && child.getMetadata().getOwnerReferences().isEmpty()
                && labels != null
                && OPERATOR.equals(labels.get(MANAGED_BY))
                && resource.getMetadata().getName().equals(labels.get(NAME));
    }

    /** NAMESPACE/NAME, as logs and URLs have it. */
    public static String path(HasMetadata object) {
        return object.getMetadata().getNamespace() + "/" + object.getMetadata().getName();
    }

    /** Whether {@code child} is controlled by the resource with that uid. */
    public static boolean owned(HasMetadata child, String uid) {
        return child.getMetadata().getOwnerReferences().stream()
                .anyMatch(o -> Boolean.TRUE.equals(o.getController()) && uid.equals(o.getUid()));
    }
}
