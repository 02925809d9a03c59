package training.lora.operator.plan;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.PodSpec;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.api.model.batch.v1.JobBuilder;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import training.lora.api.LoraTraining;
import training.lora.api.Outcome;
import training.lora.api.Reason;
import training.lora.api.RunSpec;

final class PlanTest {
    private static final Instant NOW = Instant.parse("2026-01-01T00:10:00Z");
    private static final Settings SETTINGS =
            new Settings("trainer:1", "http://operator", Duration.ofSeconds(10), Duration.ofSeconds(60));
    private static final Observed NOTHING = Observed.of(List.of(), List.of());
    private static final String RUNNING =
            "{'runId':'abc','observedGeneration':1,'stages':[{'name':'Prepare','attempt':1,'jobName':'style-prepare-1'}],"
                    + "'conditions':[{'type':'Reconciling','status':'True','lastTransitionTime':'2026-01-01T00:00:00Z'}]}";

    @Test
    void aNewRunGetsItsJobAtOnceAndItsIdWithTheEntry() throws Exception {
        LoraTraining resource = Resources.of("", "{}");
        PlanResult plan = Plan.of(resource, NOTHING, SETTINGS, NOW);

        assertThat(plan.actions())
                .extracting(a -> a.getClass().getSimpleName())
                .containsExactly("CreateClaim", "CreateConfigMap", "CreateJob", "WriteStatus", "Emit");
        assertThat(plan.status().runId())
                .isEqualTo(RunSpec.of("default", "style", resource.getSpec()).runId());
        assertThat(plan.objectsOnly(Duration.ofSeconds(2)).actions())
                .extracting(a -> a.getClass().getSimpleName())
                .containsExactly("CreateClaim", "CreateConfigMap", "CreateJob");
    }

    @Test
    void anotherIdIsWrittenBeforeAnythingBearsIt() throws Exception {
        LoraTraining resource = Resources.of("", "{'runId':'abc'}");
        resource.getMetadata().setGeneration(2L);
        PlanResult plan = Plan.of(resource, NOTHING, SETTINGS, NOW);

        assertThat(plan.actions()).singleElement().isInstanceOf(Action.WriteStatus.class);
        assertThat(plan.status().runId())
                .isEqualTo(RunSpec.of("default", "style", resource.getSpec()).runId());
        assertThat(plan.again()).isTrue();
    }

    @Test
    void aRunThatIsSuspendedFromTheStartHasNoIdYet() throws Exception {
        PlanResult plan = Plan.of(Resources.of("'suspend':true", "{}"), NOTHING, SETTINGS, NOW);

        assertThat(plan.status().runId()).isNull();
        assertThat(plan.status().phase()).isEqualTo("Suspended");
    }

    @Test
    void theJobIsCreatedBeforeItsEntryIsWritten() throws Exception {
        PlanResult plan = Plan.of(Resources.of("", "{'runId':'abc'}"), NOTHING, SETTINGS, NOW);

        assertThat(plan.actions())
                .extracting(a -> a.getClass().getSimpleName())
                .containsExactly("CreateClaim", "CreateConfigMap", "CreateJob", "WriteStatus", "Emit");
    }

    @Test
    void theJobIsWhatTheTrainerExpects() throws Exception {
        LoraTraining resource = Resources.of("'activeDeadlineSeconds':900", "{'runId':'abc'}");
        resource.getMetadata().setLabels(Map.of("kueue.x-k8s.io/queue-name", "gpus", "other", "no"));

        Job job = created(Plan.of(resource, NOTHING, SETTINGS, NOW));

        PodSpec pod = job.getSpec().getTemplate().getSpec();
        assertThat(job.getMetadata().getName()).isEqualTo("style-prepare-1");
        assertThat(job.getMetadata().getLabels())
                .containsEntry("kueue.x-k8s.io/queue-name", "gpus")
                .containsEntry("lora.training/stage", "prepare")
                .doesNotContainKey("other");
        assertThat(job.getSpec().getBackoffLimit()).isZero();
        // The operator's clock alone ends a run: a Job's deadline could not be raised while it runs.
        assertThat(job.getSpec().getActiveDeadlineSeconds()).isNull();
        assertThat(pod.getContainers().get(0).getArgs())
                .containsExactly("prepare", "/run/lora/spec/run.json", "--workspace", "/workspace", "--attempt", "1");
        assertThat(pod.getContainers().get(0).getVolumeMounts())
                .extracting("mountPath")
                .containsExactly("/run/lora/spec", "/workspace", "/run/lora/token", "/tmp", "/pvc/photos");
        assertThat(pod.getVolumes()
                        .get(2)
                        .getProjected()
                        .getSources()
                        .get(0)
                        .getServiceAccountToken()
                        .getAudience())
                .isEqualTo("lora-training/uid-1/Prepare/1");
    }

    @Test
    void aStageWithACardIsToldToUseIt() throws Exception {
        String card = "'runtime':{'stages':[{'name':'Prepare','resources':{'limits':{'nvidia.com/gpu':'1'}}}]}";

        Job with = created(Plan.of(Resources.of(card, "{'runId':'abc'}"), NOTHING, SETTINGS, NOW));
        Job without = created(Plan.of(Resources.of("", "{'runId':'abc'}"), NOTHING, SETTINGS, NOW));

        assertThat(environment(with)).containsEntry("LORA_DEVICE", "cuda");
        assertThat(environment(without)).doesNotContainKey("LORA_DEVICE");
    }

    /** The image has them, for whoever starts it. */
    @Test
    void aPodsProcessIsSetUpByItsImage() throws Exception {
        Map<String, String> environment =
                environment(created(Plan.of(Resources.of("", "{'runId':'abc'}"), NOTHING, SETTINGS, NOW)));

        assertThat(environment)
                .containsKey("LORA_RESULT_FILE")
                .doesNotContainKeys("LC_ALL", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "GLIBC_TUNABLES");
    }

    @Test
    void aPodHasAsManyThreadsAsItMayUseProcessors() throws Exception {
        for (Map.Entry<String, String> limit :
                Map.of("4", "4", "1500m", "2", "200m", "1").entrySet()) {
            String runtime = "'runtime':{'stages':[{'name':'Prepare','resources':{'limits':{'cpu':'%s'}}}]}"
                    .formatted(limit.getKey());

            Job job = created(Plan.of(Resources.of(runtime, "{'runId':'abc'}"), NOTHING, SETTINGS, NOW));

            assertThat(environment(job)).containsEntry("OMP_NUM_THREADS", limit.getValue());
        }
    }

    private static Map<String, String> environment(Job job) {
        Map<String, String> environment = new HashMap<>();
        job.getSpec()
                .getTemplate()
                .getSpec()
                .getContainers()
                .get(0)
                .getEnv()
                .forEach(variable -> environment.put(variable.getName(), variable.getValue()));
        return environment;
    }

    @Test
    void aJobWithoutEntryIsAdoptedNotMadeAgain() throws Exception {
        PlanResult plan = Plan.of(Resources.of("", "{'runId':'abc'}"), jobs(job("uid-1", "")), SETTINGS, NOW);

        assertThat(plan.actions()).extracting(a -> a.getClass().getSimpleName()).containsExactly("WriteStatus", "Emit");
        assertThat(plan.status().stages().get(0).jobName()).isEqualTo("style-prepare-1");
    }

    @Test
    void theResultNamesReasonAndSentence() throws Exception {
        String result = Resources.result(
                "Prepare", 1, "'outcome':'Failed','reason':'OutputOwned','message':'the output is of x/y'");

        PlanResult plan = ended("Failed", Pods.ended("style-prepare-1", 10, "Error", result));

        assertThat(plan.status().phase()).isEqualTo("Failed");
        assertThat(condition(plan, "Failed").getReason()).isEqualTo("OutputOwned");
        assertThat(condition(plan, "Failed").getMessage()).contains("the output is of x/y");
    }

    @Test
    void withoutReadableResultTheExitCodeSpeaks() throws Exception {
        PlanResult plan = ended("Failed", Pods.ended("style-prepare-1", 12, "Error", "{\"version\":\"lora.tra"));
        assertThat(plan.status().stages().get(0).reason()).isEqualTo(Reason.InvalidBaseModel);

        PlanResult killed = ended("Failed", Pods.ended("style-prepare-1", 137, "OOMKilled", null));
        assertThat(killed.status().stages().get(0).reason()).isEqualTo(Reason.OutOfMemory);
        assertThat(killed.reschedule()).isEqualTo(Duration.ofSeconds(10));
    }

    @Test
    void whatASuccessfulStageTellsStandsInItsStatus() throws Exception {
        String result = Resources.result(
                "Prepare", 1, "'outcome':'Succeeded','message':'data set main leaves out moving.gif (GIF)'");

        PlanResult plan = ended("Complete", Pods.ended("style-prepare-1", 0, "Completed", result));

        assertThat(plan.status().stages().get(0).message()).isEqualTo("data set main leaves out moving.gif (GIF)");
        assertThat(plan.status().stages().get(0).reason()).isNull();
        String silent = Resources.succeeded("Prepare", 1);
        assertThat(ended("Complete", Pods.ended("style-prepare-1", 0, "Completed", silent))
                        .status()
                        .stages()
                        .get(0)
                        .message())
                .isNull();
    }

    @Test
    void anOutputThatIsCompleteEndsTheRun() throws Exception {
        String result = Resources.result(
                "Prepare",
                1,
                "'outcome':'Succeeded','alreadyComplete':true,'model':'SD15',"
                        + "'artifacts':[{'name':'lora','uri':'output/a'}],'message':'it stays finished'");

        PlanResult plan = ended("Complete", Pods.ended("style-prepare-1", 0, "Completed", result));

        assertThat(plan.status().phase()).isEqualTo("Complete");
        assertThat(plan.status().conditions())
                .filteredOn(c -> c.getType().equals("Complete"))
                .singleElement()
                .satisfies(c -> assertThat(c.getMessage())
                        .isEqualTo("the output holds this run's finished result already: it stays finished"));
        assertThat(plan.status().artifacts().get(0).uri()).isEqualTo("pvc://style-workspace/output/a");
    }

    @Test
    void invalidSpecStallsAndACorrectedOneBegins() throws Exception {
        LoraTraining resource = Resources.of("'training':{'steps':-1}", "{}");
        PlanResult plan = Plan.of(resource, NOTHING, SETTINGS, NOW);
        assertThat(condition(plan, "Stalled").getReason()).isEqualTo("InvalidConfiguration");
        assertThat(condition(plan, "Stalled").getMessage()).contains("`spec.training.steps`");

        LoraTraining corrected = Resources.of("", "{}");
        corrected.setStatus(plan.status());
        corrected.getMetadata().setGeneration(2L);
        assertThat(Plan.of(corrected, NOTHING, SETTINGS, NOW).status().runId()).isNotNull();
    }

    @Test
    void withoutEvaluationTheRunIsCompleteAfterTraining() throws Exception {
        String trained = "{'runId':'abc','stages':[{'name':'Prepare','attempt':1,'jobName':'a','outcome':'Succeeded'},"
                + "{'name':'Train','attempt':1,'jobName':'b','outcome':'Succeeded'}]}";

        assertThat(Plan.of(Resources.of("'evaluation':{'enabled':false}", trained), NOTHING, SETTINGS, NOW)
                        .status()
                        .phase())
                .isEqualTo("Complete");
        assertThat(created(Plan.of(Resources.of("", trained), NOTHING, SETTINGS, NOW))
                        .getMetadata()
                        .getName())
                .isEqualTo("style-evaluate-1");
    }

    @Test
    void nothingIsWrittenWhenNothingChanged() throws Exception {
        LoraTraining resource = Resources.of("", RUNNING);
        Observed observed = jobs(job("uid-1", ""));
        resource.setStatus(Plan.of(resource, observed, SETTINGS, NOW).status());

        assertThat(Plan.of(resource, observed, SETTINGS, NOW.plusSeconds(60)).actions())
                .isEmpty();
    }

    @Test
    void delaysDoubleUpToTheLongest() {
        assertThat(List.of(1, 2, 3, 4, 90))
                .extracting(SETTINGS::delayAfter)
                .extracting(Duration::toSeconds)
                .containsExactly(10L, 20L, 40L, 60L, 60L);
    }

    private static PlanResult ended(String condition, RunPod result) throws Exception {
        Observed observed = Observed.of(List.of(job("uid-1", condition)), List.of(result));
        PlanResult plan = Plan.of(Resources.of("", RUNNING), observed, SETTINGS, NOW);
        assertThat(plan.status().stages().get(0).outcome())
                .isEqualTo("Failed".equals(condition) ? Outcome.Failed : Outcome.Succeeded);
        return plan;
    }

    private static Job job(String ownerUid, String condition) {
        JobBuilder job = new JobBuilder()
                .withNewMetadata()
                .withName("style-prepare-1")
                .withUid("job-1")
                .addNewOwnerReference()
                .withController(true)
                .withUid(ownerUid)
                .endOwnerReference()
                .endMetadata()
                .withNewSpec()
                .withNewTemplate()
                .withNewSpec()
                .addNewContainer()
                .withName("trainer")
                .withImage("trainer:1")
                .endContainer()
                .endSpec()
                .endTemplate()
                .endSpec();
        if (!condition.isEmpty()) {
            job.withNewStatus()
                    .addNewCondition()
                    .withType(condition)
                    .withStatus("True")
                    .endCondition()
                    .endStatus();
        }
        return job.build();
    }

    private static Observed jobs(Job job) {
        return Observed.of(List.of(job), List.of());
    }

    private static Job created(PlanResult plan) {
        return plan.actions().stream()
                .filter(Action.CreateJob.class::isInstance)
                .map(a -> ((Action.CreateJob) a).job())
                .findFirst()
                .orElseThrow();
    }

    private static Condition condition(PlanResult plan, String type) {
        return plan.status().conditions().stream()
                .filter(c -> type.equals(c.getType()))
                .findFirst()
                .orElseThrow();
    }
}
