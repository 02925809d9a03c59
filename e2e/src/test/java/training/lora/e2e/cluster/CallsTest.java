package training.lora.e2e.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.fabric8.kubernetes.api.model.rbac.PolicyRule;
import java.io.IOException;
import java.nio.file.Files;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import training.lora.api.Json;

/** What the operator asked the API server for in all tests on nodes, beside what the chart lets it ask for. */
@ClusterTest
@Order(Integer.MAX_VALUE)
class CallsTest {
    private final NodesCluster cluster;

    CallsTest(NodesCluster cluster) {
        this.cluster = cluster;
    }

    /** Calls as {@code VERB GROUP/RESOURCE}, with the subresource where there is one. */
    private Set<String> calls(String decision) throws IOException {
        Set<String> calls = new TreeSet<>();
        for (String line : Files.readAllLines(cluster.scripts().run().resolve("logs/audit.log"))) {
            JsonNode event = Json.MAPPER.readTree(line);
            boolean ours = event.at("/user/username").asText().equals(OperatorChart.account());
            JsonNode object = event.path("objectRef");
            // Every account may ask what it may do.
            boolean everyones = object.path("resource").asText().startsWith("selfsubject");
            if (ours
                    && !everyones
                    && object.has("resource")
                    && decision.equals(event.path("annotations")
                            .path("authorization.k8s.io/decision")
                            .asText())) {
                String sub = object.path("subresource").asText();
                calls.add("%s %s/%s%s"
                        .formatted(
                                event.path("verb").asText(),
                                object.path("apiGroup").asText(),
                                object.path("resource").asText(),
                                sub.isEmpty() ? "" : "/" + sub));
            }
        }
        return calls;
    }

    private Set<String> granted() {
        Set<String> granted = new TreeSet<>();
        Stream.concat(
                        cluster
                                .client()
                                .rbac()
                                .clusterRoles()
                                .withLabel("app.kubernetes.io/instance", OperatorChart.RELEASE)
                                .list()
                                .getItems()
                                .stream()
                                .filter(r -> r.getMetadata().getLabels().keySet().stream()
                                        .noneMatch(l -> l.contains("aggregate-to")))
                                .flatMap(r -> r.getRules().stream()),
                        cluster
                                .client()
                                .rbac()
                                .roles()
                                .inAnyNamespace()
                                .withLabel("app.kubernetes.io/instance", OperatorChart.RELEASE)
                                .list()
                                .getItems()
                                .stream()
                                .flatMap(r -> r.getRules().stream()))
                .forEach(rule -> add(granted, rule));
        return granted;
    }

    private static void add(Set<String> granted, PolicyRule rule) {
        for (String verb : rule.getVerbs()) {
            for (String group : rule.getApiGroups()) {
                for (String resource : rule.getResources()) {
                    granted.add("%s %s/%s".formatted(verb, group, resource));
                }
            }
        }
    }

    @Test
    void operatorAsksForNothingThatTheChartDoesNotGrant() throws Exception {
        Set<String> granted = granted();
        Set<String> used = calls("allow");
        Set<String> idle = new TreeSet<>(granted);
        idle.removeAll(used);
        Evidence.write(
                cluster.logs().resolve("calls.txt"),
                "used\n  %s\ngranted, not used\n  %s\n"
                        .formatted(String.join("\n  ", used), String.join("\n  ", idle)));

        assertThat(calls("forbid")).isEmpty();
        assertThat(used).isNotEmpty().isSubsetOf(granted);
    }
}
