package training.lora.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.fabric8.kubernetes.client.dsl.NonDeletingOperation;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Json;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.SpecValidator;
import training.lora.local.LocalCluster;

/** The documents' commands do what they say, as they are written. */
class DocumentsTest {
    /** What the documents take to be there, beside the claims with models and pictures. */
    private static final String ARGO_CD = """
            apiVersion: v1
            kind: Namespace
            metadata: {name: argocd}
            ---
            apiVersion: v1
            kind: ConfigMap
            metadata: {name: argocd-cm, namespace: argocd}
            ---
            """;

    private static final String CLAIM = """
            apiVersion: v1
            kind: PersistentVolumeClaim
            metadata: {name: %s}
            spec: {accessModes: [ReadOnlyMany], resources: {requests: {storage: 1Gi}}}
            """;

    @Test
    void trainingsAreTakenAsTheyAre(@TempDir Path dir) throws Exception {
        try (LocalCluster cluster = LocalCluster.start(dir, Map.of())) {
            cluster.installCrd();
            for (Map.Entry<String, String> file : Documents.files().entrySet()) {
                // README's is for a machine without a cluster: its paths are relative.
                if (file.getValue().contains("kind: LoraTraining")
                        && !file.getKey().equals("my-style.yaml")) {
                    JsonNode yaml = Json.STRICT_YAML.readTree(file.getValue());
                    cluster.client()
                            .resource(file.getValue())
                            .inNamespace("default")
                            .createOr(NonDeletingOperation::update);
                    assertThat(SpecValidator.problems(
                                    Json.STRICT_YAML.treeToValue(yaml.get("spec"), LoraTrainingSpec.class)))
                            .as(file.getKey())
                            .isEmpty();
                }
            }
            assertThat(cluster.client()
                            .resources(LoraTraining.class)
                            .inAnyNamespace()
                            .list()
                            .getItems())
                    .hasSizeGreaterThan(3);
        }
    }

    @Test
    void linksLeadToFiles() throws Exception {
        assertThat(Documents.links()).hasSizeGreaterThan(20).allSatisfy(link -> assertThat(link)
                .exists());
    }

    @Test
    void everyCommandHasAPlaceWhereItIsRunOrAReasonWhyNot() throws Exception {
        List<String> placed = Documents.places().values().stream()
                .flatMap(List::stream)
                .distinct()
                .toList();

        assertThat(placed).containsExactlyInAnyOrderElementsOf(Documents.commands());
    }

    @Test
    void commandsWorkOnTheEmbeddedCluster(@TempDir Path dir) throws Exception {
        String stub = "exec sh " + TestCluster.HOME.resolve("e2e/cluster/stub-trainer.sh") + " \"$@\"\n";
        String kubeconfig = dir.resolve("demo-output/cluster/kubeconfig").toString();
        try (ScratchCheckout checkout = new ScratchCheckout(dir, stub, Map.of("KUBECONFIG", kubeconfig))) {
            assumeTrue(checkout.run("kubectl version --client").code() == 0, "no kubectl in PATH or LORA_KUBECTL");
            checkout.write("there.yaml", ARGO_CD + CLAIM.formatted("models") + "---\n" + CLAIM.formatted("photos"));
            for (String command : Documents.at("embedded")) {
                String output = works(checkout, command);
                // Stages that end at once leave no artifacts.
                if (!command.contains("status.artifacts") && !command.contains(" > ")) {
                    assertThat(output).as(command).isNotBlank();
                }
                if (command.equals("./demo up")) {
                    works(checkout, "kubectl apply -f there.yaml");
                }
            }
        }
    }

    private static String works(ScratchCheckout checkout, String command) throws Exception {
        String output = checkout.works(command);
        assertThat(output).as(command).doesNotContain("No resources found", "No cluster runs");
        return output;
    }
}
