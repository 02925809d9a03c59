package training.lora.e2e.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.NodeBuilder;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import training.lora.e2e.Documents;
import training.lora.e2e.ScratchCheckout;

/** The documents' commands that install the operator, on a control plane that has nothing of the project's yet. */
@Tag("cluster")
@ExtendWith(TimeLeft.class)
class DocumentsOnClusterTest {
    private static final String NODE = "node-1";

    @Test
    void commandsWorkOnARealControlPlane(@TempDir Path dir) throws Exception {
        try (EmptyCluster cluster = EmptyCluster.start();
                ScratchCheckout checkout = new ScratchCheckout(
                        dir,
                        "exit 1\n",
                        Map.of(
                                "KUBECONFIG",
                                cluster.kubeconfig().toString(),
                                "PATH",
                                cluster.tools() + ":" + System.getenv("PATH")))) {
            List.of("team-a", "team-b", "team-c").forEach(cluster::namespace);
            cluster.client()
                    .resource(new NodeBuilder()
                            .withNewMetadata()
                            .withName(NODE)
                            .endMetadata()
                            .build())
                    .create();
            for (String command : Documents.at("control plane")) {
                prepare(cluster, command);
                String output = checkout.works(command.replace(" NODE ", " " + NODE + " "));
                if (command.contains("can-i")) {
                    assertThat(output).contains("loratrainings.lora.training/status");
                }
            }
        }
    }

    /** Takes away a release that another command has installed under the same name. */
    private static void prepare(EmptyCluster cluster, String command) {
        if (command.startsWith("helm install ")) {
            List<String> words = List.of(command.split(" ", -1));
            String namespace = words.get(words.indexOf("--namespace") + 1);
            cluster.helm("uninstall", words.get(2), "--namespace", namespace, "--ignore-not-found")
                    .ok();
        }
    }
}
