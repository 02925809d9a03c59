package training.lora.local.apiserver;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.opentest4j.TestAbortedException;

/** An unmodified kubectl, from LORA_KUBECTL or PATH, against the server; aborted with the reason where there is none. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class KubectlTest {
    private static final Pattern MINOR = Pattern.compile("Client Version: v1\\.(\\d+)");
    private static final Path WIDGETS = Path.of("src/test/resources/apiserver/widgets.yaml");

    private Path dir;
    private ApiServer server;
    private String kubectl;

    private record Result(int code, String output) {}

    @BeforeAll
    void start(@TempDir Path temporary) throws Exception {
        dir = temporary;
        kubectl = System.getenv().getOrDefault("LORA_KUBECTL", "kubectl");
        Path log = Files.writeString(dir.resolve("pod.log"), "one\ntwo\nthree\n");
        server = ApiServer.start(new ApiServerConfig(0, dir.resolve("server"), pod -> log));
        requireKubectl();
        assertThat(run("", "apply", "--validate=strict", "-f", WIDGETS.toString())
                        .code())
                .isZero();
        assertThat(run("", "wait", "--for=condition=Established", "crd/widgets.toy.example")
                        .code())
                .isZero();
    }

    private void requireKubectl() throws Exception {
        try {
            Matcher version = MINOR.matcher(run("", "version", "--client").output());
            if (!version.find() || Integer.parseInt(version.group(1)) < 25) {
                throw new TestAbortedException("kubectl must be 1.25 or newer: set LORA_KUBECTL");
            }
        } catch (IOException e) {
            throw new TestAbortedException("no kubectl in PATH or LORA_KUBECTL: " + e.getMessage());
        }
    }

    @AfterAll
    void stop() {
        server.close();
    }

    private Result run(String input, String... args) throws Exception {
        List<String> command = new ArrayList<>(List.of(kubectl));
        command.addAll(List.of(args));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().put("KUBECONFIG", server.kubeconfig().toString());
        builder.environment().put("KUBECACHEDIR", dir.resolve("cache").toString());
        Process process = builder.start();
        try (var in = process.getOutputStream()) {
            // The first line keeps kubectl from taking flow style for JSON.
            in.write(("---\n" + input).getBytes(StandardCharsets.UTF_8));
        }
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
        return new Result(process.exitValue(), output);
    }

    private Result apply(String name, String spec) throws Exception {
        String yaml = "{apiVersion: toy.example/v1, kind: Widget, metadata: {name: " + name + "}, spec: " + spec + "}";
        return run(yaml, "apply", "--validate=strict", "-f", "-");
    }

    @Test
    void unknownFieldsAreRefusedByTheirPaths() throws Exception {
        Result result = apply("unknown", "{foo: 1, parts: [{name: a, zap: 3}]}");

        assertThat(result.code()).isNotZero();
        assertThat(result.output())
                .contains("strict decoding error: unknown field \"spec.foo\", unknown field \"spec.parts[0].zap\"");
    }

    @Test
    void brokenSchemaIsRefusedInTheWordsOfARealServer() throws Exception {
        Result result = apply("broken", "{size: 99, color: Pink, weight: 0}");

        assertThat(result.code()).isNotZero();
        assertThat(result.output())
                .contains("spec.size: Invalid value: 99: spec.size in body should be less than or equal to 10")
                .contains("spec.color: Unsupported value: \"Pink\": supported values: \"Red\", \"Green\", \"Blue\"")
                .contains("spec.weight: Invalid value: 0: spec.weight in body should be greater than 0");
    }

    @Test
    void rulesAreCheckedOnCreateAndOnUpdate() throws Exception {
        assertThat(apply("rules", "{size: 9, color: Blue}").output())
                .contains("spec.size: Invalid value: \"object\": a Blue widget must have a size of at most 8");
        assertThat(apply("rules", "{color: Blue, parts: [{name: a, count: 5}]}").code())
                .isZero();

        assertThat(apply("rules", "{color: Red, parts: [{name: a, count: 4}]}").output())
                .contains("spec.color: Forbidden: color can't change")
                .contains("spec.parts[0]: Invalid value: \"object\": count can't shrink");
    }

    @Test
    void defaultsAreFilledInAndColumnsPrinted() throws Exception {
        assertThat(apply("defaults", "{}").code()).isZero();

        assertThat(run("", "get", "wd", "defaults", "-o", "jsonpath={.spec}").output())
                .isEqualTo("{\"box\":{\"lid\":{\"open\":false},\"width\":5},\"color\":\"Red\",\"size\":3}");
        assertThat(run("", "get", "wd", "defaults").output()).containsPattern("NAME +SIZE +READY +AGE\ndefaults +3");
        assertThat(run("", "explain", "widget.spec.size").output()).contains("How big it is.");
        assertThat(run("", "describe", "wd", "defaults").output()).contains("Kind:         Widget");
    }

    @Test
    void statusIsWrittenThroughItsSubresourceOnlyAndWaitSeesIt() throws Exception {
        assertThat(apply("waited", "{}").code()).isZero();
        String ready = "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]},\"spec\":{\"size\":7}}";

        run("", "patch", "wd", "waited", "--type=merge", "-p", "{\"status\":{\"seen\":1}}");
        assertThat(run("", "get", "wd", "waited", "-o", "jsonpath={.status}").output())
                .isEmpty();
        run("", "patch", "wd", "waited", "--subresource=status", "--type=merge", "-p", ready);

        assertThat(run("", "wait", "--for=condition=Ready", "wd/waited", "--timeout=5s")
                        .code())
                .isZero();
        assertThat(run("", "get", "wd", "waited", "-o", "jsonpath={.spec.size} {.metadata.generation}")
                        .output())
                .isEqualTo("3 1");
    }

    @Test
    void serverSideApplyMergesByListKeyAndTakesBackItsOwn() throws Exception {
        String head = "{apiVersion: toy.example/v1, kind: Widget, metadata: {name: ssa}, spec: ";
        run(head + "{parts: [{name: a}]}}", "apply", "--server-side", "--field-manager=one", "-f", "-");
        run(head + "{parts: [{name: b}]}}", "apply", "--server-side", "--field-manager=two", "-f", "-");
        assertThat(run("", "get", "wd", "ssa", "-o", "jsonpath={.spec.parts[*].name}")
                        .output())
                .isEqualTo("a b");

        run(head + "{size: 4}}", "apply", "--server-side", "--field-manager=two", "-f", "-");

        assertThat(run("", "get", "wd", "ssa", "-o", "jsonpath={.spec.parts[*].name} {.spec.size}")
                        .output())
                .isEqualTo("a 4");
    }

    @Test
    void dependentsGoWithTheirOwner() throws Exception {
        assertThat(apply("owner", "{}").code()).isZero();
        String uid =
                run("", "get", "wd", "owner", "-o", "jsonpath={.metadata.uid}").output();
        String child = "{apiVersion: v1, kind: ConfigMap, metadata: {name: child, ownerReferences: [{apiVersion:"
                + " toy.example/v1, kind: Widget, name: owner, uid: " + uid + "}]}, data: {a: b}}";
        assertThat(run(child, "apply", "-f", "-").code()).isZero();

        assertThat(run("", "delete", "wd", "owner").code()).isZero();

        assertThat(run("", "wait", "--for=delete", "cm/child", "--timeout=10s").code())
                .isZero();
    }

    @Test
    void logsOfAPodAreRead() throws Exception {
        String pod = "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: i}]}}";
        assertThat(run(pod, "apply", "-f", "-").code()).isZero();

        assertThat(run("", "logs", "p", "--tail=2").output()).isEqualTo("two\nthree\n");
        assertThat(run("", "logs", "-f", "p").output()).isEqualTo("one\ntwo\nthree\n");
    }
}
