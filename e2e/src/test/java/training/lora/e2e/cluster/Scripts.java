package training.lora.e2e.cluster;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.opentest4j.TestAbortedException;

/** The commands of {@code e2e/cluster}, for one cluster of this machine. */
final class Scripts {
    /** The project's folder. */
    static final Path HOME = Path.of("..").toAbsolutePath().normalize();

    private static final Path DIR = HOME.resolve("e2e/cluster");
    /** The longest is the build, 15 minutes on two quiet cores. */
    private static final long MINUTES = 40;

    private final Set<Process> running = ConcurrentHashMap.newKeySet();
    private final String name;
    private final Map<String, String> environment;

    /** What a command said, errors too, and its exit code. */
    record Result(int code, String output) {
        /** The output of a command that must succeed. */
        String ok() {
            if (code != 0) {
                throw new AssertionError("exit code " + code + ": " + output);
            }
            return output;
        }
    }

    /** @param environment what differs from the scripts' defaults */
    Scripts(String name, Map<String, String> environment) {
        this.name = name;
        this.environment = new TreeMap<>(environment);
        this.environment.put("CLUSTER_NAME", name);
    }

    /**
     * For a control plane of this checkout alone, so that two checkouts can be tested at once: with a name and ports of its
     * own, built, and held against other test runs.
     *
     * @param port less than 10, and another one for each kind of cluster
     */
    static Scripts ofCheckout(String kind, int port) {
        int hash = Math.floorMod(HOME.toString().hashCode(), 1000);
        Scripts scripts = new Scripts(kind + hash, Map.of("CLUSTER_PORT", Integer.toString(20_000 + 10 * hash + port)));
        scripts.prepare();
        Objects.requireNonNull(scripts.lock());
        return scripts;
    }

    /** Binaries, data and logs of all clusters, as lib.sh has it. */
    static Path home() {
        String set = System.getenv("CLUSTER_HOME");
        if (set != null && !set.isEmpty()) {
            return Path.of(set);
        }
        String cache = System.getenv("XDG_CACHE_HOME");
        return (cache != null && !cache.isEmpty() ? Path.of(cache) : Path.of(System.getProperty("user.home"), ".cache"))
                .resolve("test-cluster");
    }

    /** This cluster's data, logs and process ids. */
    Path run() {
        return home().resolve("run").resolve(name);
    }

    /** Holds the cluster's name against other test runs, until this JVM ends. */
    FileLock lock() {
        try {
            Files.createDirectories(home().resolve("run"));
            FileChannel file = FileChannel.open(
                    home().resolve("run").resolve(name + ".lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
            FileLock lock = file.tryLock();
            if (lock == null) {
                System.out.println("another test run has the cluster " + name + ", waiting for it to end");
                lock = file.lock();
            }
            return lock;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Skips the tests where the cluster can't be had, else builds what is not built.
     *
     * @param flags of the script {@code check}
     */
    void prepare(String... flags) {
        Result check = script("check", flags);
        if (check.code() != 0) {
            skip(check.output().strip());
        }
        Result built = script("build");
        if (built.code() != 0) {
            throw new AssertionError("the cluster's binaries could not be built:\n" + built.output());
        }
    }

    private static void skip(String why) {
        skipped(why);
        throw new TestAbortedException(why);
    }

    /** Says why tests are left out, for who reads the log and for CI. */
    static void skipped(String why) {
        System.out.println("SKIPPED: " + why);
        try {
            Path file =
                    Files.createDirectories(HOME.resolve("e2e/target/cluster")).resolve("skipped.txt");
            Files.writeString(file, why + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    Result script(String script, String... arguments) {
        List<String> command = new ArrayList<>(List.of(DIR.resolve(script).toString()));
        command.addAll(List.of(arguments));
        return run(command, Map.of());
    }

    /** Runs any command with the scripts' environment and {@code more}. */
    Result run(List<String> command, Map<String, String> more) {
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment()
                .keySet()
                .removeIf(
                        v -> v.toLowerCase(java.util.Locale.ROOT).endsWith("_proxy") && more.containsKey("KUBECONFIG"));
        builder.environment().putAll(environment);
        builder.environment().putAll(more);
        try {
            Process process = builder.start();
            running.add(process);
            AtomicBoolean late = new AtomicBoolean();
            process.onExit().orTimeout(MINUTES, TimeUnit.MINUTES).exceptionallyAsync(timeout -> {
                late.set(true);
                return end(process);
            });
            process.getOutputStream().close();
            StringBuilder output = new StringBuilder();
            try (BufferedReader lines = process.inputReader(StandardCharsets.UTF_8)) {
                for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                    output.append(line).append('\n');
                }
            }
            int code = process.waitFor();
            running.remove(process);
            if (late.get()) {
                output.append("ended after %d minutes: %s%n".formatted(MINUTES, command));
            }
            return new Result(code, output.toString());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted: " + command, e);
        }
    }

    /** Ends the commands that run, so that none still starts what is to be ended. */
    void interrupt() {
        running.forEach(Scripts::end);
    }

    private static Process end(Process process) {
        List<ProcessHandle> all = Stream.concat(process.descendants(), Stream.of(process.toHandle()))
                .toList();
        all.forEach(ProcessHandle::destroy);
        process.onExit().completeOnTimeout(process, 10, TimeUnit.SECONDS).join();
        all.forEach(ProcessHandle::destroyForcibly);
        return process;
    }
}
