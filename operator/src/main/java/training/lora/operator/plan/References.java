package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import training.lora.api.CaptionApiSpec;
import training.lora.api.CaptionSource;
import training.lora.api.LanguageSpec;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.LoraTrainingStatus;
import training.lora.api.Outcome;
import training.lora.api.Reason;
import training.lora.api.SecretRef;
import training.lora.api.SourceSpec;
import training.lora.api.Stage;
import training.lora.api.StageStatus;
import training.lora.operator.plan.ReferenceView.State;

/** Which Secrets and which service account the stages of a run use. */
final class References {
    /** Annotation of a Job with a hash of the versions of what it uses, as they were when it was made. */
    static final String VERSIONS = Names.OWN + "references";

    /** Failures that another content of a Secret may cure: data that are wrong stay so, whoever asks for them. */
    private static final Set<Reason> CURABLE = Set.of(Reason.InvalidConfiguration, Reason.SourceUnreachable);

    private static final String ACCOUNT = "-";

    private static final String BUCKET = "s3://";

    private static final String OUTPUT = "spec.output";

    private static final String TRACKING = "spec.tracking.";

    private References() {}

    /**
     * What the stage uses, with the field that names it. Only Prepare reads sources and has nothing to track; each stage looks
     * at the output.
     */
    static Map<Reference, String> of(LoraTrainingSpec spec, Stage stage) {
        Map<Reference, String> found = new LinkedHashMap<>();
        secretsByField(spec).forEach((field, name) -> {
            if (field.equals(OUTPUT) || field.startsWith(TRACKING) == (stage != Stage.Prepare)) {
                found.putIfAbsent(new Reference(Reference.Kind.Secret, name), field + ".secretRef");
            }
        });
        String account = spec.runtime().serviceAccountName();
        if (account != null) {
            found.put(new Reference(Reference.Kind.ServiceAccount, account), "spec.runtime.serviceAccountName");
        }
        return found;
    }

    /** The name of each Secret by the field that has it. */
    static Map<String, String> secretsByField(LoraTrainingSpec spec) {
        Map<String, String> names = new TreeMap<>();
        for (SourceSpec.Named named : SourceSpec.of(spec)) {
            SecretRef secret = named.source().secretRef();
            if (secret != null) {
                names.put(named.field(), secret.name());
            }
        }
        CaptionApiSpec api = spec.preparation().captions().api();
        if (api != null && api.secretRef() != null) {
            names.put("spec.preparation.captions.api", api.secretRef().name());
        }
        LanguageSpec language = spec.preparation().captions().language();
        if (language != null && language.secretRef() != null) {
            names.put("spec.preparation.captions.language", language.secretRef().name());
        }
        if (spec.tracking() != null) {
            names.putAll(spec.tracking().secrets());
        }
        SecretRef secret = spec.output().secretRef();
        if (secret != null) {
            names.put(OUTPUT, secret.name());
        }
        return names;
    }

    /** Names of the Secrets that are mounted into the stage's pod. */
    static Set<String> secrets(LoraTrainingSpec spec, Stage stage) {
        Set<String> names = new TreeSet<>();
        for (Reference reference : of(spec, stage).keySet()) {
            if (reference.kind() == Reference.Kind.Secret) {
                names.add(reference.name());
            }
        }
        return names;
    }

    /**
     * The same, with those of the platform's captioner where it may be needed. They are the platform's word and not the
     * training's, so no label has to allow them; and where one is missing only pictures without captions miss it.
     */
    static Set<String> mounted(LoraTrainingSpec spec, Stage stage, PodSettings pods) {
        Set<String> names = secrets(spec, stage);
        if (stage == Stage.Prepare && spec.preparation().captions().source() == CaptionSource.Auto) {
            names.addAll(pods.captionerSecrets());
        }
        return names;
    }

    /** Of which is to be known whether trainings may use it: what an attempt could begin with now. */
    static Set<Reference> wanted(LoraTraining resource, List<RunPod> pods) {
        LoraTrainingStatus status = StatusDraft.old(resource);
        LoraTrainingSpec spec = resource.getSpec();
        if (spec == null || StatusDraft.isTrue(status, "Complete")) {
            return Set.of();
        }
        if (StatusDraft.isTrue(status, "Failed")) {
            StageStatus failed = curable(status);
            return failed == null ? Set.of() : of(spec, failed.name()).keySet();
        }
        boolean runs =
                pods.stream().anyMatch(p -> p.trainer() != null && p.trainer().running());
        Set<Reference> all = new TreeSet<>();
        if (!runs && !spec.suspend()) {
            for (Stage stage : Stage.values()) {
                all.addAll(of(spec, stage).keySet());
            }
        }
        return all;
    }

    /**
     * Hashes of the versions of the Secrets that the stage uses and, where a bucket is opened by it, of its account; null:
     * it uses nothing.
     */
    static @Nullable String versions(LoraTrainingSpec spec, Stage stage, Observed observed) {
        Map<String, String> secrets = new TreeMap<>();
        Map<String, String> accounts = new TreeMap<>();
        for (Reference reference : of(spec, stage).keySet()) {
            ReferenceView view = observed.references().get(reference);
            boolean secret = reference.kind() == Reference.Kind.Secret;
            if (secret || opensBuckets(spec, stage)) {
                (secret ? secrets : accounts).put(reference.toString(), view == null ? "" : view.version());
            }
        }
        String ofAccounts = accounts.isEmpty() ? "" : ACCOUNT + Changes.hash(accounts);
        return secrets.isEmpty() && accounts.isEmpty() ? null : Changes.hash(secrets) + ofAccounts;
    }

    /** Whether the stage asks for a bucket without a Secret, so that the pod's identity counts. */
    private static boolean opensBuckets(LoraTrainingSpec spec, Stage stage) {
        String output = spec.output().uri();
        return output != null && output.startsWith(BUCKET) && spec.output().secretRef() == null
                || stage == Stage.Prepare
                        && SourceSpec.of(spec).stream()
                                .map(SourceSpec.Named::source)
                                .anyMatch(s -> s.uri().startsWith(BUCKET) && s.secretRef() == null);
    }

    private static String ofSecrets(@Nullable String versions) {
        return versions == null ? "" : versions.split(ACCOUNT, 2)[0];
    }

    /**
     * Whether a failed run goes on because a Secret was written since its last attempt began, or the account by which a
     * bucket refused it. All of them must be there and allowed: who takes a Secret away wants no other attempt.
     */
    static boolean changed(LoraTraining resource, LoraTrainingStatus status, Observed observed) {
        StageStatus failed = resource.getSpec() == null ? null : curable(status);
        if (failed == null) {
            return false;
        }
        for (Reference reference : of(resource.getSpec(), failed.name()).keySet()) {
            ReferenceView view = observed.references().get(reference);
            if (view == null || view.state() != State.ALLOWED) {
                return false;
            }
        }
        String now = versions(resource.getSpec(), failed.name(), observed);
        return failed.reason() == Reason.InvalidConfiguration
                ? !Objects.equals(failed.references(), now)
                : !ofSecrets(failed.references()).equals(ofSecrets(now));
    }

    /** The stage by which the run failed, if what it uses may be the cause. */
    private static @Nullable StageStatus curable(LoraTrainingStatus status) {
        Condition failed = StatusDraft.condition(status, "Failed");
        return status.stages().stream()
                .filter(s -> s.outcome() == Outcome.Failed && s.references() != null)
                .filter(s -> s.reason() != null && CURABLE.contains(s.reason()))
                .filter(s -> failed != null && Objects.equals(failed.getReason(), String.valueOf(s.reason())))
                .reduce((a, b) -> b)
                .orElse(null);
    }

    /** The versions that {@code job} was made with; null: it uses nothing. */
    static @Nullable String versions(Job job) {
        Map<String, String> annotations = job.getMetadata().getAnnotations();
        return annotations == null ? null : annotations.get(VERSIONS);
    }
}
