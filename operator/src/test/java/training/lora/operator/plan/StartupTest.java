package training.lora.operator.plan;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.Event;
import io.fabric8.kubernetes.api.model.EventBuilder;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A pod that doesn't start looks like one that doesn't, and why stands in the condition. */
final class StartupTest {
    private static final String JOB = "style-train-1";

    private Scene scene;

    @BeforeEach
    void train() throws Exception {
        scene = Scene.prepared("");
        scene.plan();
        assertThat(scene.created()).containsExactly(JOB);
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource({
        "ErrImagePull, ErrImagePull",
        "ImagePullBackOff, ErrImagePull",
        "InvalidImageName, InvalidImageName",
        "CreateContainerConfigError, CreateContainerConfigError",
        "a word that no condition takes, NotStarting",
    })
    void whatAContainerWaitsForIsTheReasonAndIsToldOnce(String waiting, String reason) {
        scene.pod(JOB, p -> p.node("node-1")
                .containers(List.of(Pods.waiting("trainer", false, waiting, "no such thing"))));

        PlanResult plan = scene.after(2);

        assertThat(scene.reconciling().getStatus()).isEqualTo("True");
        assertThat(scene.reconciling().getReason()).isEqualTo(reason);
        assertThat(scene.reconciling().getMessage())
                .isEqualTo("Train, attempt 1: the container trainer of the pod style-train-1-abcde can't start: "
                        + waiting + ": no such thing");
        assertThat(scene.events()).containsExactly(reason);
        assertThat(plan.reschedule()).isLessThanOrEqualTo(Duration.ofSeconds(5));

        scene.after(5);
        assertThat(scene.done).isEmpty();
    }

    @Test
    void aRunningPodOfWhichNoNodeIsKnownIsOneThatRuns() {
        scene.pod(JOB, p -> Pods.running(p, scene.now).node(null));
        scene.after(1);

        assertThat(scene.reconciling().getReason()).isEqualTo("Running");
    }

    @Test
    void whyAPullFailedStaysWhileTheKubeletOnlySaysThatItWaits() {
        scene.pod(
                JOB, p -> p.node("n").containers(List.of(Pods.waiting("trainer", false, "ErrImagePull", "not found"))));
        scene.after(1);
        scene.pod(JOB, p -> p.node("n")
                .containers(List.of(Pods.waiting("trainer", false, "ImagePullBackOff", "Back-off pulling image"))));
        scene.after(10);

        assertThat(scene.done).isEmpty();
        assertThat(scene.reconciling().getMessage()).endsWith("ErrImagePull: not found");
    }

    @Test
    void aContainerThatSomeoneElseAddedIsNamed() {
        scene.pod(JOB, p -> p.node("node-1")
                .containers(List.of(
                        Pods.waiting("mesh", true, "ErrImagePull", "denied"),
                        Pods.waiting("trainer", false, "PodInitializing", null))));
        scene.after(1);

        assertThat(scene.reconciling().getMessage()).contains("the container mesh of the pod");
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(
            delimiter = '|',
            value = {
                "Unschedulable | 0/2 nodes are available: 2 Insufficient nvidia.com/gpu. | Unschedulable",
                "Unschedulable | persistentvolumeclaim \"photos\" not found | ClaimNotFound",
                "Unschedulable | pod has unbound immediate PersistentVolumeClaims. not found | ClaimNotBound",
                "SchedulingGated | Scheduling is blocked due to non-empty scheduling gates | SchedulingGated",
            })
    void whatTheSchedulerSaysIsTheReason(String said, String message, String reason) {
        scene.pod(JOB, p -> p.conditions(List.of(Pods.said("PodScheduled", false, said, message))));
        scene.after(1);

        assertThat(scene.reconciling().getReason()).isEqualTo(reason);
        assertThat(scene.reconciling().getMessage())
                .isEqualTo("Train, attempt 1: no node takes the pod style-train-1-abcde: " + message);
    }

    @Test
    void whyAClaimIsNotBoundIsSaidWithIt() {
        scene.pod(
                JOB,
                p -> p.conditions(List.of(Pods.said(
                        "PodScheduled", false, "Unschedulable", "pod has unbound immediate PersistentVolumeClaims"))));
        scene.claim = new ClaimView("style-workspace", true, "claim-1", "Pending", "fast");
        scene.warnings.add(warning("claim-1", "ProvisioningFailed", "storageclass.storage.k8s.io \"fast\" not found"));
        scene.after(4);

        assertThat(scene.reconciling().getMessage())
                .endsWith("; the claim style-workspace is Pending: storageclass.storage.k8s.io \"fast\" not found");
    }

    @Test
    void whatKeepsAContainerFromBeingMadeIsReadFromThePodsEvents() {
        RunPod pod = scene.pod(JOB, p -> p.node("node-1")
                .containers(List.of(Pods.waiting("trainer", false, "ContainerCreating", null))));
        scene.after(1);
        assertThat(scene.reconciling().getReason()).isEqualTo("Starting");

        scene.warnings.add(warning(pod.uid(), "FailedMount", "secret \"ca\" not found"));
        scene.after(5);

        assertThat(scene.reconciling().getReason()).isEqualTo("FailedMount");
        assertThat(scene.reconciling().getMessage())
                .endsWith("the pod style-train-1-abcde can't start on the node node-1: secret \"ca\" not found");
        assertThat(scene.events()).containsExactly("FailedMount");
    }

    @Test
    void aPodThatMayNotBeMadeIsReadFromTheJobsEvents() {
        scene.warnings.add(warning(
                scene.job(JOB).getMetadata().getUid(),
                "FailedCreate",
                "Error creating: pods \"style-train-1-x7k2p\" is forbidden: exceeded quota: gpus"));
        scene.after(4);

        assertThat(scene.reconciling().getReason()).isEqualTo("FailedCreate");
        assertThat(scene.reconciling().getMessage()).endsWith("is forbidden: exceeded quota: gpus");

        // The Job controller tries again with another name: nothing new.
        scene.warnings.set(
                0,
                warning(
                        scene.job(JOB).getMetadata().getUid(),
                        "FailedCreate",
                        "Error creating: pods \"style-train-1-bbbbb\" is forbidden: exceeded quota: gpus"));
        scene.after(10);
        assertThat(scene.done).isEmpty();
    }

    @Test
    void whatEventsSaidStaysWithoutReadingThemAgain() {
        RunPod pod = scene.pod(JOB, p -> p.node("node-1")
                .containers(List.of(Pods.waiting("trainer", false, "ContainerCreating", null))));
        scene.warnings.add(warning(pod.uid(), "FailedMount", "secret \"ca\" not found"));
        assertThat(scene.after(5).actions()).isNotEmpty();
        assertThat(scene.wanted().told()).isTrue();

        scene.warnings.clear();
        scene.read = false;
        scene.after(60);
        assertThat(scene.done).isEmpty();

        scene.pods.clear();
        RunPod other = scene.pod(JOB, p -> p.name(JOB + "-other")
                .uid("other")
                .node("node-1")
                .containers(List.of(Pods.waiting("trainer", false, "ContainerCreating", null))));
        scene.after(5);
        assertThat(scene.reconciling().getReason()).isEqualTo("Starting");
        assertThat(scene.wanted()).isEqualTo(new Wanted(Set.of(other.uid()), Set.of(), null, Set.of(), false));
    }

    @Test
    void whatIsSaidOfAJobOrAClaimStaysToo() {
        scene.warnings.add(warning(scene.job(JOB).getMetadata().getUid(), "FailedCreate", "exceeded quota"));
        scene.after(4);
        assertThat(scene.wanted().told()).isTrue();
        scene.warnings.clear();
        scene.read = false;
        scene.after(60);
        assertThat(scene.done).isEmpty();

        scene.pod(
                JOB,
                p -> p.conditions(List.of(Pods.said(
                        "PodScheduled", false, "Unschedulable", "pod has unbound immediate PersistentVolumeClaims"))));
        assertThat(scene.wanted().told()).isFalse();
        scene.read = true;
        scene.claim = new ClaimView("style-workspace", true, "claim-1", "Pending", "fast");
        scene.after(4);
        assertThat(scene.wanted().told()).isTrue();
        scene.claim = null;
        scene.read = false;
        scene.after(60);
        assertThat(scene.done).isEmpty();
        assertThat(scene.reconciling().getMessage()).endsWith("; the claim style-workspace is Pending");
    }

    @Test
    void aJobThatAQueueHoldsIsQueuedWhichIsToldOnceAndIsNoWarning() {
        scene.resource.getMetadata().setLabels(Map.of("kueue.x-k8s.io/queue-name", "gpus"));
        scene.suspend(JOB, true);
        scene.after(1);

        assertThat(scene.reconciling().getReason()).isEqualTo("Queued");
        assertThat(scene.reconciling().getMessage())
                .isEqualTo(
                        "Train, attempt 1: another controller keeps the Job style-train-1 suspended until the queue gpus admits it");
        assertThat(scene.done)
                .filteredOn(Action.Emit.class::isInstance)
                .singleElement()
                .satisfies(a -> assertThat(((Action.Emit) a).warning()).isFalse());
        assertThat(scene.events()).containsExactly("Queued");
    }

    @Test
    void onceTheContainerRunsTheConditionSaysSo() {
        scene.pod(JOB, p -> p.node("n").containers(List.of(Pods.waiting("trainer", false, "ErrImagePull", "x"))));
        scene.after(1);
        scene.runs(JOB);
        PlanResult plan = scene.after(60);

        assertThat(scene.reconciling().getReason()).isEqualTo("Running");
        assertThat(scene.stage().runningSince()).isEqualTo("2026-01-01T00:01:01Z");
        assertThat(plan.reschedule()).isNull();
    }

    @Test
    void anotherContainerThatDoesNotRunLeavesTheTrainerRunning() {
        scene.pod(JOB, p -> {
            RunPod running = Pods.running(p, scene.now).build();
            return p.phase("Pending")
                    .containers(List.of(
                            running.containers().get(0), Pods.waiting("sidecar", false, "ErrImagePull", "denied")));
        });
        scene.after(1);

        assertThat(scene.reconciling().getReason()).isEqualTo("Running");
    }

    @Test
    void aDisruptedPodIsNamedUntilItsJobHasMadeAnother() {
        scene.pod(JOB, p -> Pods.running(p, scene.now)
                .phase("Failed")
                .containers(List.of(Pods.trainerEnded(scene.now, scene.now, 75, "Error", null)))
                .conditions(List.of(Pods.said("DisruptionTarget", true, "PreemptionByScheduler", "for a better one"))));
        scene.after(1);

        assertThat(scene.stage().outcome()).isNull();
        assertThat(scene.reconciling().getReason()).isEqualTo("PreemptionByScheduler");
        assertThat(scene.reconciling().getMessage())
                .contains("was disrupted (PreemptionByScheduler: for a better one); its Job makes another");
        assertThat(scene.events()).containsExactly("PreemptionByScheduler");
    }

    @Test
    void whatWasSaidBeforeThePodGotItsNodeKeepsItNoLonger() {
        scene.now = scene.now.plusSeconds(600);
        RunPod pod = scene.pod(JOB, p -> p.node("node-1")
                .conditions(List.of(RunPodSaidBuilder.builder()
                        .type("PodScheduled")
                        .holds(true)
                        .since(scene.now)
                        .build()))
                .containers(List.of(Pods.waiting("trainer", false, "ContainerCreating", null))));
        scene.warnings.add(warning(pod.uid(), "FailedScheduling", "0/2 nodes are available"));
        PlanResult plan = scene.after(4);

        assertThat(scene.reconciling().getReason()).isEqualTo("Starting");
        assertThat(scene.events()).isEmpty();
        // What comes late is seen soon too.
        assertThat(plan.reschedule()).isEqualTo(Duration.ofSeconds(4));
        assertThat(scene.after(300).reschedule()).isEqualTo(Duration.ofSeconds(10));
    }

    @Test
    void whatEventsSaidIsForgottenOnceTheySayItNoMore() {
        RunPod pod = scene.pod(JOB, p -> p.node("node-1")
                .containers(List.of(Pods.waiting("trainer", false, "ContainerCreating", null))));
        scene.warnings.add(warning(pod.uid(), "FailedMount", "secret \"ca\" not found"));
        scene.after(5);
        scene.warnings.clear();
        scene.after(60);

        assertThat(scene.reconciling().getReason()).isEqualTo("Starting");
    }

    @Test
    void whatAJobCouldNotMakeBeforeItMadeAPodKeepsItNoLonger() {
        scene.warnings.add(warning(scene.job(JOB).getMetadata().getUid(), "FailedCreate", "exceeded quota: gpus"));
        scene.now = scene.now.plusSeconds(600);
        scene.pod(JOB, p -> p.phase("Failed").conditions(List.of(Pods.said("DisruptionTarget", true, "Drained", "x"))));
        scene.after(4);

        assertThat(scene.reconciling().getReason()).isEqualTo("Drained");
    }

    @Test
    void warningsFromBeforeALaterStepOfThePodNoLongerHold() {
        Event mount = event("Warning", "FailedMount", "2026-01-01T00:00:02Z");
        Event pulling = event("Normal", "Pulling", "2026-01-01T00:00:09Z");
        Event other = event("Normal", "ExternalProvisioning", "2026-01-01T00:00:30Z");
        Event later = event("Warning", "Failed", "2026-01-01T00:00:10Z");

        assertThat(Warning.standing(List.of(mount, other))).hasSize(1);
        assertThat(Warning.standing(List.of(mount, pulling))).isEmpty();
        assertThat(Warning.standing(List.of(mount, pulling, later)))
                .extracting(Warning::reason)
                .containsExactly("Failed");
    }

    @Test
    void anotherCauseOfARefusalIsAnotherEventAndOnlyAnotherNumberIsNot() throws Exception {
        Scene refused = Scene.of("");
        refused.refusal = "exceeded quota: gpus, used: 3";
        refused.plan();
        Action.Emit first = emitted(refused);
        refused.refusal = "exceeded quota: gpus, used: 4";
        refused.after(10);
        assertThat(refused.events()).isEmpty();
        refused.refusal = "admission webhook \"policy\" denied the request";
        refused.after(10);

        assertThat(emitted(refused).key()).isNotEqualTo(first.key());
    }

    @Test
    void anEventsKeyCanBePartOfAnObjectsName() {
        assertThat(new Action.Emit("Train-1-Failed_Mount", true, "Failed_Mount", "").key())
                .isEqualTo("train-1-failed-mount");
    }

    private static Action.Emit emitted(Scene scene) {
        return scene.done.stream()
                .filter(Action.Emit.class::isInstance)
                .map(Action.Emit.class::cast)
                .findFirst()
                .orElseThrow();
    }

    private static Event event(String type, String reason, String time) {
        return new EventBuilder()
                .withType(type)
                .withReason(reason)
                .withMessage("")
                .withLastTimestamp(time)
                .withNewInvolvedObject()
                .withUid("pod-1")
                .endInvolvedObject()
                .build();
    }

    private static Warning warning(String uid, String reason, String message) {
        return WarningBuilder.builder()
                .kind("")
                .name("")
                .uid(uid)
                .reason(reason)
                .message(message)
                .time(Scene.START)
                .build();
    }
}
