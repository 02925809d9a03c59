package training.lora.operator.plan;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.api.model.batch.v1.JobBuilder;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.LoraTraining;
import training.lora.api.StageStatus;

/** Failures, not attempts, use up retries. */
final class RetriesTest {
    private static final Instant NOW = Instant.parse("2026-01-01T00:10:00Z");
    private static final Settings SETTINGS =
            new Settings("trainer:1", null, Duration.ofSeconds(10), Duration.ofSeconds(60));

    @ParameterizedTest(name = "attempt {0} after {1} failures, {2} retries, exit code {3}: {4} failures, {5}")
    @CsvSource({
        // attempt, failures before, retries, exit code; failures then, phase, seconds until the next attempt
        "1, 0, 3, 20, 1, Train, 10",
        "2, 1, 3, 20, 2, Train, 20",
        "4, 3, 3, 20, 4, Failed,",
        "1, 0, 0, 20, 1, Failed,",
        // Attempts that were suspended or preempted do not count.
        "9, 0, 3, 20, 1, Train, 10",
        "9, 3, 3, 20, 4, Failed,",
        // One that was told to end has not failed if it came further, as its result says; this one says nothing.
        "9, 2, 3, 75, 3, Train, 40",
        "1, 0, 0, 75, 1, Failed,",
        // What a retry can't cure.
        "1, 0, 3, 11, 1, Failed,",
    })
    void whatFailedUsesUpARetryAndWhatWasPreemptedDoesNot(
            int attempt, int before, int retries, int exitCode, int after, String phase, @Nullable Integer delay)
            throws Exception {
        LoraTraining resource = Resources.of("'retries':" + retries, training(attempt, before));
        Observed observed = Observed.of(
                List.of(job(attempt, true)), List.of(Pods.ended("style-train-" + attempt, exitCode, "Error", null)));

        PlanResult plan = Plan.of(resource, observed, SETTINGS, NOW);

        assertThat(train(plan).failures()).isEqualTo(after);
        assertThat(plan.status().phase()).isEqualTo(phase);
        assertThat(plan.reschedule()).isEqualTo(delay == null ? null : Duration.ofSeconds(delay));
    }

    @ParameterizedTest(name = "suspended {0} times")
    @CsvSource({"1", "5", "50"})
    void aSuspensionLeavesAsManyRetriesAsThereWere(int suspensions) throws Exception {
        LoraTraining resource = Resources.of("'retries':1", training(1, 1));
        for (int i = 1; i <= suspensions; i++) {
            resource.setSpec(Resources.of("'retries':1,'suspend':true", "{}").getSpec());
            resource.setStatus(plan(resource, job(i, false)).status());
            assertThat(resource.getStatus().phase()).isEqualTo("Suspended");

            resource.setSpec(Resources.of("'retries':1", "{}").getSpec());
            resource.setStatus(plan(resource, null).status());
        }

        StageStatus train = resource.getStatus().stages().get(1);
        assertThat(train.attempt()).isEqualTo(suspensions + 1);
        assertThat(train.failures()).isEqualTo(1);
        assertThat(train.outcome()).isNull();
    }

    private static PlanResult plan(LoraTraining resource, @Nullable Job job) {
        return Plan.of(resource, Observed.of(job == null ? List.of() : List.of(job), List.of()), SETTINGS, NOW);
    }

    private static StageStatus train(PlanResult plan) {
        return plan.status().stages().get(1);
    }

    private static String training(int attempt, int failures) {
        return ("{'runId':'abc','stages':[{'name':'Prepare','attempt':1,'jobName':'p','outcome':'Succeeded'},"
                        + "{'name':'Train','attempt':%d,'failures':%d,'jobName':'style-train-%d'}]}")
                .formatted(attempt, failures, attempt);
    }

    private static Job job(int attempt, boolean failed) {
        JobBuilder job = new JobBuilder()
                .withNewMetadata()
                .withName("style-train-" + attempt)
                .addNewOwnerReference()
                .withController(true)
                .withUid("uid-1")
                .endOwnerReference()
                .endMetadata();
        if (failed) {
            job.withNewStatus()
                    .addNewCondition()
                    .withType("Failed")
                    .withStatus("True")
                    .endCondition()
                    .endStatus();
        }
        return job.build();
    }
}
