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
import training.lora.api.LoraTrainingStatus;
import training.lora.api.Progress;

/** What stands in the columns STAGE, PROGRESS and LEFT. */
final class StageProgressTest {
    private static final Settings SETTINGS =
            new Settings("trainer:1", null, Duration.ofSeconds(10), Duration.ofSeconds(60));
    private static final Instant NOW = Instant.parse("2026-01-01T00:10:00Z");

    @ParameterizedTest(name = "{0}, reported {2}: {5} {6} {7}")
    @CsvSource(
            nullValues = "-",
            value = {
                // stage, exit code (- while it runs), last report (stage-attempt-step), suspend, retries;
                // STAGE, PROGRESS, LEFT
                "Train,    -,  -,             false, 3, Train,     -,    -",
                "Train,    -,  Train-1-61,    false, 3, Train,     61%,  4m",
                // A report of the attempt before says nothing of this one.
                "Train,    -,  Prepare-1-100, false, 3, Train,     -,    -",
                "Train,    -,  Train-0-61,    false, 3, Train,     -,    -",
                // Complete, whether or not the last report came through.
                "Evaluate, 0,  Evaluate-1-10, false, 3, Complete,  100%, -",
                "Evaluate, 0,  -,             false, 3, Complete,  100%, -",
                // How far it came.
                "Train,    20, Train-1-61,    false, 3, Train,     61%,  -",
                "Train,    20, Train-1-61,    false, 0, Failed,    61%,  -",
                "Train,    11, -,             false, 3, Failed,    -,    -",
                "Train,    -,  Train-1-61,    true,  3, Suspended, 61%,  -",
                "Train,    -,  -,             true,  3, Suspended, -,    -",
            })
    void theColumnsMakeSenseInEveryPhase(
            String stage,
            @Nullable Integer exitCode,
            @Nullable String reported,
            boolean suspend,
            int retries,
            String phase,
            @Nullable String percent,
            @Nullable String left)
            throws Exception {
        LoraTraining resource =
                Resources.of("'suspend':%s,'retries':%d".formatted(suspend, retries), running(stage, reported));
        String name = "style-" + stage.toLowerCase(java.util.Locale.ROOT) + "-1";
        Observed observed = Observed.of(
                List.of(job(name, exitCode)),
                exitCode == null
                        ? List.of()
                        : List.of(Pods.ended(
                                name, exitCode, null, exitCode == 0 ? Resources.succeeded(stage, 1) : null)));

        // Twice: what the end of a stage leads to comes in a round of its own.
        LoraTrainingStatus status = plan(resource, observed);
        resource.setStatus(status);
        status = plan(resource, observed);

        Progress progress = status.progress();
        assertThat(status.phase()).isEqualTo(phase);
        assertThat(progress == null ? null : progress.percent()).isEqualTo(percent);
        assertThat(progress == null ? null : progress.remaining()).isEqualTo(left);
        assertThat(progress == null ? null : progress.progressPercentage() + "%")
                .isEqualTo(percent == null ? null : percent);
    }

    private static LoraTrainingStatus plan(LoraTraining resource, Observed observed) {
        return Plan.of(resource, observed, SETTINGS, NOW).status();
    }

    /** Every stage before {@code stage} succeeded; its own Job is there, its entry is not yet. */
    private static String running(String stage, @Nullable String reported) {
        StringBuilder stages = new StringBuilder();
        for (String before : List.of("Prepare", "Train")) {
            if (before.equals(stage)) {
                break;
            }
            stages.append(stages.isEmpty() ? "" : ",")
                    .append("{'name':'%s','attempt':1,'jobName':'x','outcome':'Succeeded'}".formatted(before));
        }
        String progress = "";
        if (reported != null) {
            String[] parts = reported.split("-", 3);
            progress = (",'progress':{'stage':'%s','attempt':%s,'step':%3$s,'steps':100,'progressPercentage':%3$s,"
                            + "'percent':'%3$s%%','estimatedRemainingSeconds':240,'remaining':'4m',"
                            + "'lastUpdatedTime':'2026-01-01T00:00:00Z'}")
                    .formatted(parts[0], parts[1], parts[2]);
        }
        return "{'runId':'abc','stages':[" + stages + "]" + progress + "}";
    }

    private static Job job(String name, @Nullable Integer exitCode) {
        JobBuilder job = new JobBuilder()
                .withNewMetadata()
                .withName(name)
                .addNewOwnerReference()
                .withController(true)
                .withUid("uid-1")
                .endOwnerReference()
                .endMetadata()
                .withNewSpec()
                .withNewTemplate()
                .withNewSpec()
                .addNewContainer()
                .endContainer()
                .endSpec()
                .endTemplate()
                .endSpec();
        if (exitCode != null) {
            job.withNewStatus()
                    .addNewCondition()
                    .withType(exitCode == 0 ? "Complete" : "Failed")
                    .withStatus("True")
                    .endCondition()
                    .endStatus();
        }
        return job.build();
    }
}
