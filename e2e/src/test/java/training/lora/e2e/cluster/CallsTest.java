package training.lora.e2e.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.fabric8.kubernetes.api.model.rbac.PolicyRule;
import java.io.IOException;
import java.nio.file.Files;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
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

    /** What was asked for, once each; the name is empty where a call has none. */
    private record Call(String verb, String group, String resource, String name) {
        boolean isGrantedBy(PolicyRule rule) {
            return rule.getVerbs().contains(verb)
                    && rule.getApiGroups().contains(group)
                    && rule.getResources().contains(resource)
                    && (rule.getResourceNames().isEmpty()
                            || rule.getResourceNames().contains(name));
        }

        String what() {
            return "%s %s/%s".formatted(verb, group, resource);
        }
    }

    private Set<Call> calls(String decision) throws IOException {
        Set<Call> calls = new HashSet<>();
        for (String line : Files.readAllLines(cluster.scripts().run().resolve("logs/audit.log"))) {
            JsonNode event = Json.MAPPER.readTree(line);
            JsonNode object = event.path("objectRef");
            boolean ours = event.at("/user/username").asText().equals(OperatorChart.account());
            // Every account may ask what it may do.
            boolean everyones = object.path("resource").asText().startsWith("selfsubject");
            String decided = event.path("annotations")
                    .path("authorization.k8s.io/decision")
                    .asText();
            if (ours && !everyones && object.has("resource") && decided.equals(decision)) {
                String sub = object.path("subresource").asText();
                calls.add(new Call(
                        event.path("verb").asText(),
                        object.path("apiGroup").asText(),
                        object.path("resource").asText() + (sub.isEmpty() ? "" : "/" + sub),
                        object.path("name").asText()));
            }
        }
        return calls;
    }

    private List<PolicyRule> rules() {
        var rbac = cluster.client().rbac();
        return Stream.concat(
                        rbac
                                .clusterRoles()
                                .withLabel("app.kubernetes.io/instance", OperatorChart.RELEASE)
                                .list()
                                .getItems()
                                .stream()
                                .filter(r -> r.getMetadata().getLabels().keySet().stream()
                                        .noneMatch(l -> l.contains("aggregate-to")))
                                .flatMap(r -> r.getRules().stream()),
                        rbac
                                .roles()
                                .inAnyNamespace()
                                .withLabel("app.kubernetes.io/instance", OperatorChart.RELEASE)
                                .list()
                                .getItems()
                                .stream()
                                .flatMap(r -> r.getRules().stream()))
                .toList();
    }

    @Test
    void operatorAsksForNothingThatTheChartDoesNotGrant() throws Exception {
        List<PolicyRule> rules = rules();
        Set<Call> allowed = calls("allow");
        Evidence.write(
                cluster.logs().resolve("calls.txt"),
                allowed.stream().map(Call::what).sorted().distinct().collect(Collectors.joining("\n", "", "\n")));

        assertThat(allowed).isNotEmpty().allMatch(call -> rules.stream().anyMatch(call::isGrantedBy));
        // A release that is made to watch fewer namespaces is forbidden the others before its last pod is gone.
        assertThat(calls("forbid")).allMatch(call -> rules.stream().anyMatch(call::isGrantedBy));
    }
}
