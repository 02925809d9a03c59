package training.lora.operator.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static training.lora.operator.plan.Reference.Kind.Secret;
import static training.lora.operator.plan.Reference.Kind.ServiceAccount;

import io.fabric8.kubernetes.api.model.ConfigMap;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.Json;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.LoraTrainingStatusBuilder;
import training.lora.api.Stage;
import training.lora.operator.plan.ReferenceView.State;

/** Secrets and accounts that a spec names: who may use them, and that a run goes on once they are mended. */
final class ReferencesTest {
    private static final String HUB = "'evaluation':{'clip':{'uri':'hf://owner/clip','secretRef':{'name':'hub'}}}";
    private static final String BOTH = HUB + ",'output':{'uri':'s3://bucket/ink','secretRef':{'name':'bucket'}}";
    private static final String FIRST = "style-prepare-1";
    private static final String SECOND = "style-prepare-2";

    @Test
    void sourcesSecretsAreForPrepareAndTheOutputsForEachStage() throws Exception {
        var spec = Resources.of(BOTH + ",'runtime':{'serviceAccountName':'trainings'}", "{}")
                .getSpec();

        assertThat(References.secrets(spec, Stage.Prepare)).containsExactly("bucket", "hub");
        assertThat(References.secrets(spec, Stage.Train)).containsExactly("bucket");
        assertThat(References.secrets(spec, Stage.Evaluate)).containsExactly("bucket");
        assertThat(References.of(spec, Stage.Train))
                .isEqualTo(Map.of(
                        new Reference(Secret, "bucket"), "spec.output.secretRef",
                        new Reference(ServiceAccount, "trainings"), "spec.runtime.serviceAccountName"));
    }

    @Test
    void whatRewritesCaptionsIsAskedInPrepareWithItsOwnSecret() throws Exception {
        LoraTrainingSpec spec = Json.STRICT_YAML.readValue(
                "{baseModel: {uri: base}, preparation: {captions: {language: {model: m, secretRef: {name: words}}}}}",
                LoraTrainingSpec.class);

        assertThat(References.of(spec, Stage.Prepare))
                .containsEntry(new Reference(Secret, "words"), "spec.preparation.captions.language.secretRef");
        assertThat(References.secrets(spec, Stage.Train)).isEmpty();
    }

    @Test
    void aTrackersSecretIsForTheStagesThatAreTracked() throws Exception {
        String tracking = ",'tracking':{'mlflow':{'uri':'https://%s','secretRef':{'name':'mlflow'}},"
                + "'wandb':{'secretRef':{'name':'wandb'}}}";
        var one = Resources.of(HUB + tracking.formatted("one"), "{}");
        var other = Resources.of(HUB + tracking.formatted("other"), "{}");

        assertThat(References.secrets(one.getSpec(), Stage.Prepare)).containsExactly("hub");
        assertThat(References.secrets(one.getSpec(), Stage.Train)).containsExactly("mlflow", "wandb");
        assertThat(References.secrets(one.getSpec(), Stage.Evaluate)).containsExactly("mlflow", "wandb");
        assertThat(References.of(one.getSpec(), Stage.Train))
                .containsEntry(new Reference(Secret, "wandb"), "spec.tracking.wandb.secretRef");
        // It is the same run, so that the file that the trainer reads must have another name.
        assertThat(Names.runSpec(one, "1")).isNotEqualTo(Names.runSpec(other, "1"));
    }

    @Test
    void onlyTheLabelsValueTrueAllows() {
        assertThat(state("true")).isEqualTo(State.ALLOWED);
        assertThat(state("false")).isEqualTo(State.UNLABELLED);
        assertThat(state("")).isEqualTo(State.UNLABELLED);
        assertThat(ReferenceView.of(new ObjectMetaBuilder().build()).state()).isEqualTo(State.UNLABELLED);
    }

    private static State state(String value) {
        return ReferenceView.of(new ObjectMetaBuilder()
                        .addToLabels("lora.training/allow", value)
                        .build())
                .state();
    }

    @Test
    void aMissingSecretStallsTheRunWhichBeginsOnceItIsThereAndLabelled() throws Exception {
        Scene scene = Scene.of(HUB);
        PlanResult plan = scene.plan();
        assertThat(scene.created()).isEmpty();
        assertThat(scene.condition("Stalled").getReason()).isEqualTo("SecretNotFound");
        assertThat(scene.condition("Stalled").getMessage())
                .isEqualTo(
                        "`spec.evaluation.clip.secretRef` names Secret hub, which must exist in namespace default and be"
                                + " labelled for trainings, by `kubectl label -n default secret hub lora.training/allow=true`");
        assertThat(scene.events()).containsExactly("SecretNotFound");
        assertThat(plan.reschedule()).hasSeconds(5);

        scene.secret("hub", false, "1");
        plan = scene.after(100);
        assertThat(scene.created()).isEmpty();
        assertThat(scene.condition("Stalled").getReason()).isEqualTo("SecretNotAllowed");
        assertThat(scene.condition("Stalled").getMessage())
                .startsWith("`spec.evaluation.clip.secretRef` names Secret hub, which must bear the label"
                        + " lora.training/allow: \"true\"");
        assertThat(scene.events()).containsExactly("SecretNotAllowed");

        plan = scene.after(100);
        assertThat(scene.done).as("nothing new").isEmpty();
        assertThat(plan.reschedule()).as("a quarter of 200 s").hasSeconds(50);
        assertThat(scene.after(1000).reschedule()).hasSeconds(60);

        scene.secret("hub", true, "2");
        scene.after(60);
        assertThat(scene.created()).containsExactly(FIRST);
        assertThat(scene.condition("Stalled").getStatus()).isEqualTo("False");
    }

    @Test
    void anAccountNeedsTheLabelTooAndWhatTheOperatorMayNotSeeIsTold() throws Exception {
        Scene scene = Scene.of("'runtime':{'serviceAccountName':'trainings'}");
        scene.plan();
        assertThat(scene.condition("Stalled").getReason()).isEqualTo("ServiceAccountNotFound");

        scene.references.put(new Reference(ServiceAccount, "trainings"), ReferenceView.HIDDEN);
        scene.after(5);
        assertThat(scene.condition("Stalled").getReason()).isEqualTo("ServiceAccountNotVisible");
        assertThat(scene.condition("Stalled").getMessage())
                .isEqualTo(
                        "`spec.runtime.serviceAccountName` names service account trainings, whose label the operator may not"
                                + " look at: its role in namespace default must allow get of serviceaccounts");
    }

    @Test
    void whatATrainingDoesNotUseYetKeepsNothingFromBeginning() throws Exception {
        Scene scene = Scene.prepared(HUB);
        scene.plan();

        assertThat(scene.created()).containsExactly("style-train-1");
    }

    @Test
    void aLabelThatIsTakenAwayEndsNothingAndIsHeldAgainstTheNextAttempt() throws Exception {
        Scene scene = Scene.of(HUB);
        scene.secret("hub", true, "1");
        scene.plan();
        scene.runs(FIRST);
        assertThat(scene.wanted().references()).as("asked while it runs").isEmpty();
        scene.secret("hub", false, "2");
        scene.after(5);
        assertThat(scene.stage().outcome()).isNull();

        scene.ended(FIRST, 60, 20, null);
        scene.plan();
        scene.after(60);
        assertThat(scene.created()).isEmpty();
        assertThat(scene.condition("Stalled").getReason()).isEqualTo("SecretNotAllowed");
    }

    @Test
    void aSecretThatIsMendedLetsTheFailedRunGoOn() throws Exception {
        Scene scene = failed(10);
        PlanResult plan = scene.after(100);
        assertThat(scene.created()).isEmpty();
        assertThat(plan.reschedule()).hasSeconds(25);

        scene.secret("hub", true, "2");
        scene.after(25);

        assertThat(scene.created()).containsExactly(SECOND);
        assertThat(scene.condition("Failed").getStatus()).isEqualTo("False");
        assertThat(scene.stage().failures()).isZero();

        scene.runs(SECOND);
        scene.after(5);
        scene.ended(SECOND, 60, 10, null);
        scene.plan();
        scene.after(3600);
        assertThat(scene.condition("Failed").getStatus()).isEqualTo("True");
        assertThat(scene.created()).as("without another change").isEmpty();
    }

    @Test
    void aSecretThatIsTakenAwayStartsNoFailedRunAnew() throws Exception {
        Scene scene = failed(10);
        scene.references.clear();
        scene.after(100);
        assertThat(scene.created()).isEmpty();
        scene.secret("hub", false, "2");
        scene.after(100);
        assertThat(scene.created()).isEmpty();
    }

    @Test
    void aSecretThatIsMendedCuresASourceThatCouldNotBeReached() throws Exception {
        Scene scene = failed(HUB + ",'retries':0", 20);
        scene.secret("hub", true, "2");

        scene.after(100);

        assertThat(scene.created()).containsExactly(SECOND);
    }

    @ParameterizedTest
    @CsvSource({"s3://bucket/ink, 10, true", "s3://bucket/ink, 20, false", "pvc://claim/ink, 10, false"})
    void anAccountCuresWhatABucketRefused(String output, int code, boolean cures) throws Exception {
        Reference account = new Reference(ServiceAccount, "trainings");
        String spec = HUB + ",'output':{'uri':'%s'},'runtime':{'serviceAccountName':'trainings'},'retries':0";
        Scene scene = Scene.of(spec.formatted(output));
        scene.references.put(account, new ReferenceView(State.ALLOWED, "1"));
        failed(scene, code);

        scene.references.put(account, new ReferenceView(State.ALLOWED, "2"));
        scene.after(100);

        assertThat(scene.created()).hasSize(cures ? 1 : 0);
    }

    @ParameterizedTest
    @ValueSource(ints = {11, 12, 13})
    void noSecretCuresAFailureOfAnotherKind(int code) throws Exception {
        Scene scene = Scene.of(HUB);
        scene.secret("hub", true, "1");
        scene.plan();
        scene.runs(FIRST);
        scene.after(5);
        scene.ended(FIRST, 60, code, null);
        scene.plan();
        assertThat(scene.wanted().references()).isEmpty();
        scene.secret("hub", true, "2");

        scene.after(3600);

        assertThat(scene.created()).isEmpty();
    }

    private static Scene failed(int code) throws Exception {
        return failed(HUB, code);
    }

    private static Scene failed(String spec, int code) throws Exception {
        return failed(Scene.of(spec), code);
    }

    private static Scene failed(Scene scene, int code) throws Exception {
        scene.secret("hub", true, "1");
        scene.plan();
        scene.runs(FIRST);
        scene.after(5);
        scene.ended(FIRST, 60, code, null);
        assertThat(scene.plan().reschedule()).hasSeconds(10);
        assertThat(scene.condition("Failed").getStatus()).isEqualTo("True");
        return scene;
    }

    @Test
    void otherNamesOfSecretsAreAnotherFileOfTheSameRun() throws Exception {
        Scene scene = Scene.of(HUB);
        scene.secret("hub", true, "1");
        scene.secret("other", true, "1");
        scene.plan();
        String run = scene.status().runId();
        ConfigMap before = configMap(scene);
        assertThat(before.getData().get("run.json")).contains("\"name\" : \"hub\"");

        scene.corrected(HUB.replace("hub", "other")).after(1);
        scene.after(2);

        assertThat(scene.status().runId()).isEqualTo(run);
        assertThat(scene.created()).containsExactly(SECOND);
        ConfigMap after = configMap(scene);
        assertThat(after.getMetadata().getName())
                .isNotEqualTo(before.getMetadata().getName())
                .startsWith("style-run-" + run + "-");
        assertThat(after.getData().get("run.json")).contains("\"name\" : \"other\"");
    }

    @Test
    void anOperatorThatStoppedAfterItMadeTheJobKnowsWhatItWasMadeWith() throws Exception {
        Scene scene = Scene.of(HUB);
        scene.secret("hub", true, "1");
        scene.plan();
        String versions = scene.stage().references();
        assertThat(versions).isNotNull();
        scene.resource.setStatus(LoraTrainingStatusBuilder.builder(scene.status())
                .stages(List.of())
                .build());

        scene.secret("hub", true, "2");
        scene.after(1);

        assertThat(scene.stage().references()).isEqualTo(versions);
    }

    private static ConfigMap configMap(Scene scene) {
        return scene.done.stream()
                .filter(Action.CreateConfigMap.class::isInstance)
                .map(a -> ((Action.CreateConfigMap) a).configMap())
                .findFirst()
                .orElseThrow();
    }

    @Test
    void whatIsInABucketIsNotLookedForInTheWorkspace() throws Exception {
        Scene scene = Scene.prepared("'output':{'uri':'s3://bucket/ink'},'evaluation':{'enabled':false}");
        scene.plan();
        scene.runs("style-train-1");
        scene.plan();
        String artifacts =
                "'outcome':'Succeeded','artifacts':[{'name':'lora','uri':'s3://bucket/ink/a.safetensors'},{'name':'log','uri':'train/log'}]";
        scene.ended("style-train-1", 60, 0, Resources.result("Train", 1, artifacts));
        scene.plan();

        assertThat(scene.status().artifacts())
                .extracting(a -> a.uri())
                .containsExactly("s3://bucket/ink/a.safetensors", "pvc://style-workspace/train/log");
    }

    @Test
    void nothingIsAskedForWhereNothingIsNamed() throws Exception {
        Scene scene = Scene.of("");
        scene.plan();

        assertThat(scene.wanted().references()).isEqualTo(Set.of());
        assertThat(scene.job(FIRST).getMetadata().getAnnotations()).doesNotContainKey(References.VERSIONS);
    }
}
