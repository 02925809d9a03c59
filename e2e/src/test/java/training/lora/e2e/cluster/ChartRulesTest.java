package training.lora.e2e.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.rbac.PolicyRule;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import training.lora.api.CaFile;
import training.lora.e2e.Trainings;

/** The operator under its account, and what the API server noted of it. */
@ClusterTest
final class ChartRulesTest {
    /** Allowed to everyone who is known to the API server. */
    private static final Set<String> EVERYONES = Set.of(
            "create selfsubjectrulesreviews.authorization.k8s.io",
            "create selfsubjectaccessreviews.authorization.k8s.io");

    /** Needed, but not by what this test does. */
    private static final Set<String> NOT_SEEN_HERE = Set.of(
            // An admission plugin asks for it, on OpenShift.
            "update loratrainings.lora.training/finalizers",
            // After another's write, or when pods don't start.
            "get configmaps",
            "get persistentvolumeclaims",
            "get jobs.batch",
            "list jobs.batch",
            "get pods",
            // When a training has written a checkpoint.
            "patch pods",
            "list events",
            "get nodes",
            // A mistyped workspace is corrected before the run starts.
            "delete persistentvolumeclaims",
            "get loratrainings.lora.training",
            // The chart makes the Secret, and the operator fills it.
            "create secrets",
            "update leases.coordination.k8s.io");

    private final RealCluster cluster;

    ChartRulesTest(RealCluster cluster) {
        this.cluster = cluster;
    }

    @Test
    void theRulesAreThoseThatTheOperatorNeeds() throws Exception {
        cluster.stopOperator();
        String namespace = cluster.namespace("rules");
        try (Replica replica = Replica.start(cluster, "rules", Map.of())) {
            replica.awaitReady(cluster);
            for (String kind : List.of("secret generic", "serviceaccount")) {
                List<String> create = new ArrayList<>(List.of("-n", namespace, "create"));
                create.addAll(List.of(kind.split(" ")));
                create.add("named");
                cluster.kubectl(create.toArray(String[]::new)).ok();
                cluster.kubectl("-n", namespace, "label", kind.split(" ")[0], "named", "lora.training/allow=true")
                        .ok();
            }
            cluster.apply(namespace, "ruled", r -> {
                Kube.spec(r).put("output", Map.of("uri", "s3://bucket/ruled", "secretRef", Map.of("name", "named")));
                Kube.spec(r).put("runtime", Map.of("serviceAccountName", "named"));
            });
            Pod pod = cluster.pod(namespace, "ruled-prepare-1");
            cluster.run(pod);
            report(replica, namespace);
            cluster.kubectl(
                            "-n",
                            namespace,
                            "patch",
                            "loratraining",
                            "ruled",
                            "--type=merge",
                            "--patch={\"spec\":{\"suspend\":true}}")
                    .ok();
            cluster.await(namespace, "ruled", t -> Trainings.is(t, "Suspended"));
            // The status comes first, then the deletion.
            awaitDeletion(namespace, "ruled-prepare-1");
            replica.terminate();
        }

        var calls = Audit.of(cluster, OperatorAccount.USER);
        assertThat(calls).filteredOn(c -> !c.allowed()).isEmpty();
        Set<String> used = calls.stream().map(Audit.Call::what).collect(Collectors.toCollection(TreeSet::new));
        used.removeAll(EVERYONES);
        Set<String> allowed = allowed();
        assertThat(allowed).containsAll(used);
        allowed.removeAll(used);
        allowed.removeAll(NOT_SEEN_HERE);
        assertThat(allowed).as("allowed without need").isEmpty();
    }

    private void awaitDeletion(String namespace, String job) {
        cluster.client()
                .batch()
                .v1()
                .jobs()
                .inNamespace(namespace)
                .withName(job)
                .waitUntilCondition(
                        j -> j == null || j.getMetadata().getDeletionTimestamp() != null, 180, TimeUnit.SECONDS);
    }

    /** With a token that is none: it is reviewed and refused. */
    private void report(Replica replica, String namespace) throws Exception {
        HttpClient client = HttpClient.newBuilder()
                .sslContext(CaFile.context(replica.authorities()))
                .build();
        HttpResponse<String> response = client.send(
                HttpRequest.newBuilder(replica.url().resolve("/v1/progress/" + namespace + "/ruled"))
                        .header("Authorization", "Bearer none")
                        .header("Content-Type", "application/json")
                        .POST(HttpRequest.BodyPublishers.ofString("""
                        {"version": "lora.training/progress/v1", "runId": "x", "stage": "Prepare", "attempt": 1, "step": 1,
                         "steps": 2, "time": "2026-01-01T00:00:00Z", "metrics": []}"""))
                        .build(),
                HttpResponse.BodyHandlers.ofString());
        assertThat(response.statusCode()).as(response.body()).isEqualTo(401);
    }

    private Set<String> allowed() {
        var rbac = cluster.client().rbac();
        String name = OperatorAccount.NAME + "." + OperatorAccount.NAMESPACE;
        return Stream.concat(
                        rbac.clusterRoles().withName(name).require().getRules().stream(),
                        rbac
                                .roles()
                                .inNamespace(OperatorAccount.NAMESPACE)
                                .withName(OperatorAccount.NAME)
                                .require()
                                .getRules()
                                .stream())
                .flatMap(ChartRulesTest::calls)
                .collect(Collectors.toCollection(TreeSet::new));
    }

    private static Stream<String> calls(PolicyRule rule) {
        return rule.getVerbs().stream()
                .flatMap(verb -> rule.getResources().stream().map(resource -> {
                    String[] parts = resource.split("/", 2);
                    return verb + " "
                            + Audit.resource(rule.getApiGroups().get(0), parts[0], parts.length == 1 ? "" : parts[1]);
                }));
    }
}
