package training.lora.e2e.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.junit.jupiter.api.Test;
import training.lora.api.LoraTraining;
import training.lora.e2e.Trainings;

/** What the chart installs, as pods; the trainer is a stub. */
@ClusterTest
class ChartOnNodesTest {
    private final NodesCluster cluster;

    ChartOnNodesTest(NodesCluster cluster) {
        this.cluster = cluster;
    }

    @Test
    void itsOwnTestReachesTheOperatorByItsService() {
        assertThat(cluster.operator().test()).contains("Phase:          Succeeded");
    }

    @Test
    void releaseOfSomeNamespacesRunsTheirTrainingsAndNoOthers() throws InterruptedException {
        String watched = cluster.namespace("watched");
        String goes = cluster.namespace("watched-goes");
        String other = cluster.namespace("not-watched");
        cluster.operator().apply("watchNamespaces={" + watched + "," + goes + "}");
        try {
            cluster.stub(other, "waits", Map.of(), runtime -> {});
            cluster.stub(watched, "runs", Map.of(), runtime -> {});

            LoraTraining done = cluster.await(watched, "runs", Trainings::isOver);
            assertThat(Trainings.is(done, "Complete")).isTrue();
            assertThat(cluster.get(other, "waits").getStatus().conditions()).isEmpty();
            assertThat(cluster.jobs(other, "waits")).isEmpty();
            assertThat(cluster.kubectl(
                                    "auth",
                                    "can-i",
                                    "create",
                                    "jobs.batch",
                                    "--namespace",
                                    other,
                                    "--as",
                                    OperatorChart.account())
                            .output())
                    .contains("no");

            cluster.stub(goes, "runs", Map.of(), runtime -> {});
            assertThat(Trainings.is(cluster.await(goes, "runs", Trainings::isOver), "Complete"))
                    .isTrue();
            cluster.kubectl("delete", "namespace", goes, "--timeout=2m").ok();
            cluster.stub(watched, "runs-on", Map.of(), runtime -> {});
            assertThat(Trainings.is(cluster.await(watched, "runs-on", Trainings::isOver), "Complete"))
                    .isTrue();
        } finally {
            cluster.operator().apply();
        }
        LoraTraining late = cluster.await(other, "waits", Trainings::isOver);
        assertThat(Trainings.is(late, "Complete")).isTrue();
    }
}
