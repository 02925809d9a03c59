package training.lora.e2e.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.Pod;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import training.lora.api.LoraTraining;
import training.lora.e2e.Trainings;

/** More trainings than GPUs. The trainer is a stub, since the GPUs are simulated. */
@ClusterTest
class QueueTest {
    private static final int GPUS = 2;
    private static final int POLLS = 360;

    private final NodesCluster cluster;

    QueueTest(NodesCluster cluster) {
        this.cluster = cluster;
    }

    @Test
    void trainingsBeyondTheGpusSayWhatTheyWaitForAndRunLater() throws Exception {
        String namespace = cluster.namespace("queue");
        List<String> names = IntStream.rangeClosed(1, 4).mapToObj(i -> "t" + i).toList();
        for (String name : names) {
            cluster.stub(
                    namespace,
                    name,
                    Map.of("train", "until [ -e /workspace/stub/end ]; do sleep 1; done"),
                    runtime -> runtime.put(
                            "stages",
                            List.of(Map.of(
                                    "name", "Train", "resources", Map.of("limits", Map.of("nvidia.com/gpu", "1"))))));
        }

        // None ends before the others were seen to wait: how long a pod takes to start differs between machines.
        Set<String> queued = new TreeSet<>();
        int most = 0;
        for (int i = 0; i < POLLS && (queued.size() < names.size() - GPUS || most < GPUS); i++) {
            names.stream().filter(n -> isQueued(cluster.get(namespace, n))).forEach(queued::add);
            most = Math.max(most, running(namespace));
            TimeUnit.MILLISECONDS.sleep(500);
        }
        names.forEach(n -> cluster.tell(namespace, n, "end"));
        while (!names.stream().allMatch(n -> Trainings.isOver(cluster.get(namespace, n)))) {
            most = Math.max(most, running(namespace));
            TimeUnit.MILLISECONDS.sleep(300);
        }

        assertThat(queued).hasSizeGreaterThanOrEqualTo(names.size() - GPUS);
        assertThat(most).isEqualTo(GPUS);
        assertThat(names).allMatch(n -> Trainings.is(cluster.get(namespace, n), "Complete"));
    }

    private int running(String namespace) {
        List<Pod> pods = cluster.client()
                .pods()
                .inNamespace(namespace)
                .withLabel("lora.training/stage", "train")
                .list()
                .getItems();
        return (int) pods.stream()
                .filter(p -> "Running".equals(p.getStatus().getPhase()))
                .count();
    }

    private static boolean isQueued(LoraTraining training) {
        return training.getStatus() != null
                && training.getStatus().conditions().stream()
                        .anyMatch(c -> c.getType().equals("Reconciling")
                                && c.getReason().equals("Unschedulable")
                                && c.getMessage().contains("Insufficient nvidia.com/gpu"));
    }
}
