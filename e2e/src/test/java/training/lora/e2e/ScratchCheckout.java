package training.lora.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * A folder that looks like the project's, in which the documents' commands are run as they are written. Whoever closes it
 * ends the cluster that they have left.
 */
public final class ScratchCheckout implements AutoCloseable {
    private static final Path HOME = TestCluster.HOME;
    /** Of one command, on a machine that is busy with other things. */
    private static final long MINUTES = 15;

    private final Path dir;
    private final Map<String, String> environment;

    /** What a command said, errors too, and its exit code. */
    record Result(int code, String output) {}

    /**
     * Makes it, with the documents' YAML files in it.
     *
     * @param trainer a script in the place of {@code bin/lora-trainer}
     * @param environment of the commands, beside this process's own
     */
    public ScratchCheckout(Path dir, String trainer, Map<String, String> environment) throws IOException {
        this.dir = dir;
        this.environment = environment;
        Files.createDirectories(dir.resolve("bin"));
        copy("demo");
        try (Stream<Path> bin = Files.list(HOME.resolve("bin"))) {
            for (Path file : bin.toList()) {
                copy("bin/" + file.getFileName());
            }
        }
        write("bin/lora-trainer", "#!/usr/bin/env bash\n" + trainer);
        if (!dir.resolve("bin/lora-trainer").toFile().setExecutable(true)) {
            throw new IOException("bin/lora-trainer must be executable");
        }
        for (String name :
                List.of("charts", "crds", "deploy", "examples", "local", "operator", "pom.xml", "trainer-runtime")) {
            Files.createSymbolicLink(dir.resolve(name), HOME.resolve(name));
        }
        for (Map.Entry<String, String> file : Documents.files().entrySet()) {
            write(file.getKey(), file.getValue());
        }
        String quick = Files.readString(Path.of("src/test/resources/quick.yaml"));
        write("training.yaml", quick);
        write("my.yaml", quick.replace("name: quick", "name: my-style"));
    }

    private void copy(String file) throws IOException {
        Files.copy(HOME.resolve(file), dir.resolve(file), StandardCopyOption.COPY_ATTRIBUTES);
    }

    /** Writes a file, in the place of a link if there is one. */
    public void write(String file, String text) throws IOException {
        Path target = dir.resolve(file);
        Files.createDirectories(target.getParent());
        Files.deleteIfExists(target);
        Files.writeString(target, text);
    }

    /** Runs a command; one that watches without end is ended when it has said something. */
    Result run(String command) throws Exception {
        ProcessBuilder builder = new ProcessBuilder("bash", "-c", "exec " + command)
                .directory(dir.toFile())
                .redirectErrorStream(true)
                .redirectOutput(dir.resolve("output").toFile())
                .redirectInput(Path.of("/dev/null").toFile());
        builder.environment().putAll(environment);
        builder.environment().put("PATH", tools() + builder.environment().get("PATH"));
        builder.environment().put("KUBECACHEDIR", dir.resolve("cache").toString());
        builder.environment().put("NO_PROXY", "127.0.0.1");
        Process process = builder.start();
        boolean watches = command.endsWith(" -w");
        while (watches && process.isAlive() && output().isEmpty()) {
            Thread.sleep(20);
        }
        if (watches) {
            process.destroy();
        }
        if (!process.waitFor(MINUTES, TimeUnit.MINUTES)) {
            process.destroyForcibly();
            throw new AssertionError(command + " did not end: " + output());
        }
        return new Result(watches ? 0 : process.exitValue(), output());
    }

    /** Runs a command that must succeed; returns what it said. */
    public String works(String command) throws Exception {
        Result result = run(command);
        assertThat(result.code()).as("%s: %s", command, result.output()).isZero();
        return result.output();
    }

    /** Ends what runs, and takes away the links, so that whoever deletes the folder deletes nothing else. */
    @Override
    public void close() throws Exception {
        run("./demo down");
        try (Stream<Path> files = Files.list(dir)) {
            for (Path link : files.filter(Files::isSymbolicLink).toList()) {
                Files.delete(link);
            }
        }
    }

    private String output() throws IOException {
        return Files.readString(dir.resolve("output"), StandardCharsets.UTF_8);
    }

    /** The folders of kubectl and helm, for the front of a PATH. */
    private static String tools() {
        return Stream.of("LORA_KUBECTL", "LORA_HELM")
                .map(System.getenv()::get)
                .filter(tool -> tool != null && tool.contains("/"))
                .map(tool -> Path.of(tool).toAbsolutePath().getParent() + ":")
                .distinct()
                .reduce("", String::concat);
    }
}
