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
        server = ApiServer.start(dir.resolve("server"), (namespace, pod) -> log);
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

    @Test
    void secretsAreMadeAndLabelled() throws Exception {
        assertThat(run("", "create", "secret", "generic", "hub", "--from-literal=token=hf_x")
                        .output())
                .isEqualTo("secret/hub created\n");
        assertThat(run("", "create", "configmap", "words", "--from-literal=key=a b")
                        .output())
                .isEqualTo("configmap/words created\n");
        assertThat(run("", "get", "configmap", "words", "-o", "jsonpath={.data.key}")
                        .output())
                .isEqualTo("a b");
        assertThat(run("", "label", "secret", "hub", "lora.training/allow=true").output())
                .isEqualTo("secret/hub labeled\n");

        assertThat(run("", "get", "secret", "hub", "-o", "jsonpath={.metadata.labels}{.data}")
                        .output())
                .isEqualTo("{\"lora.training/allow\":\"true\"}{\"token\":\"aGZfeA==\"}");
        assertThat(run("", "get", "secrets").output()).contains("NAME", "TYPE", "AGE", "hub", "Opaque");
    }

    private Result apply(String name, String spec) throws Exception {
        String yaml = "{apiVersion: toy.example/v1, kind: Widget, metadata: {name: " + name + "}, spec: " + spec + "}";
        return run(yaml, "apply", "--validate=strict", "-f", "-");
    }

    @Test
    void unknownFieldsAreRefusedByTheirPaths() throws Exception {
        Result result = apply("unknown", "{foo: 1, parts: [{name: a, zap: 3}]}");

        assertThat(result.code()).isNotZero();
        assertThat(result.output()).contains("unknown field \"spec.foo\", unknown field \"spec.parts[0].zap\"");
    }

    @Test
    void brokenSchemaIsRefusedWithThePathOfEachField() throws Exception {
        Result result =
                apply("broken", "{size: 99, color: Pink, weight: 0, parts: [{name: a}, {name: a}, {}], tags: [a, a]}");

        assertThat(result.code()).isNotZero();
        assertThat(result.output())
                .contains("spec.size: must have a maximum value of 10")
                .contains("spec.color: does not have a value in the enumeration [\"Red\", \"Green\", \"Blue\"]")
                .contains("spec.weight: must have a minimum value of 0, and not that value itself")
                .contains("spec.parts[1]: Duplicate value: {\"name\":\"a\"}")
                .contains("spec.parts[2].name: required property 'name' not found")
                .contains("spec.tags[1]: Duplicate value: \"a\"");
    }

    @Test
    void rulesAreCheckedOnCreateAndOnUpdate() throws Exception {
        assertThat(apply("rules", "{size: 9, color: Blue}").output())
                .contains("spec.size: a widget must have a size of at most 8");
        assertThat(apply("rules", "{color: Blue, parts: [{name: a, count: 100}]}")
                        .output())
                .contains("spec.parts[0]: too many");
        assertThat(apply("rules", "{color: Blue}").code()).isZero();

        assertThat(apply("rules", "{color: Red}").output()).contains("spec.color: color can't change");
    }

    @Test
    void formsOfACrdThatAreNotKnownAreRefusedByTheirPaths() throws Exception {
        String crd = Files.readString(WIDGETS)
                .replace("widgets", "gadgets")
                .replace("{rule: self.count < 100, message: too many}", "{rule: self.count >= oldSelf.count}")
                .replace("subresources: {status: {}}", "subresources: {status: {}, scale: {}}")
                .replace(".spec.size}", "'.spec.parts[0].name'}");

        Result result = run(crd, "apply", "-f", "-");

        assertThat(result.code()).isNotZero();
        assertThat(result.output())
                .contains("knows no oldSelf of a list's entry")
                .contains("spec.versions[0].subresources")
                .contains("does not know the form of .spec.parts[0].name");
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
    void serverSideApplyIsRefusedWithWhatToDoInstead() throws Exception {
        String widget = "{apiVersion: toy.example/v1, kind: Widget, metadata: {name: ssa}, spec: {size: 4}}";

        Result result = run(widget, "apply", "--server-side", "-f", "-");

        assertThat(result.code()).isNotZero();
        assertThat(result.output()).contains("apply without --server-side");
    }

    @Test
    void builtInKindIsLabelledAndAppliedAgain() throws Exception {
        String map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: again}, data: {a: b}}";
        assertThat(run(map, "apply", "-f", "-").code()).isZero();
        assertThat(run("", "label", "cm", "again", "l=v").code()).isZero();

        assertThat(run(map.replace("a: b", "a: c"), "apply", "-f", "-").output())
                .isEqualTo("configmap/again configured\n");

        assertThat(run("", "get", "cm", "-l", "l=v", "-o", "jsonpath={.items[*].data.a}")
                        .output())
                .isEqualTo("c");
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
