package training.lora.e2e.cluster;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.stream.Stream;

/** What is kept of a cluster for whoever looks for the cause of a failure. */
final class Evidence {
    private static final List<String> KINDS = List.of(
            "loratrainings",
            "jobs",
            "pods",
            "events",
            "configmaps",
            "persistentvolumeclaims",
            "persistentvolumes",
            "nodes",
            "leases",
            "deployments");

    private Evidence() {}

    /** Every component's log, every pod's log and all objects of the kinds that matter here. */
    static void gather(Kube cluster) {
        Path to = cluster.logs();
        for (String kind : KINDS) {
            write(
                    to.resolve("objects").resolve(kind + ".yaml"),
                    cluster.kubectl("get", kind, "-A", "-o", "yaml").output());
        }
        copy(cluster.scripts().run().resolve("logs"), to.resolve("components"));
        copy(cluster.scripts().run().resolve("kept"), to.resolve("pods"));
        System.out.println("logs of the cluster: " + to);
    }

    static void write(Path file, String text) {
        try {
            Files.createDirectories(file.getParent());
            Files.writeString(file, text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void copy(Path from, Path to) {
        if (!Files.isDirectory(from)) {
            return;
        }
        try (Stream<Path> all = Files.walk(from)) {
            for (Path file : all.filter(Files::isRegularFile).toList()) {
                Path target = to.resolve(from.relativize(file).toString());
                Files.createDirectories(target.getParent());
                Files.copy(file, target, StandardCopyOption.REPLACE_EXISTING);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Links the logs of pods that nodes have, so that they outlive their pods: a kubelet deletes both together. To be
     * called again and again.
     */
    static void keepPodLogs(Path run) {
        try (Stream<Path> nodes = Files.list(run)) {
            for (Path node : nodes.filter(n -> Files.isDirectory(n.resolve("logs")))
                    .filter(n -> n.getFileName().toString().startsWith("node-"))
                    .toList()) {
                Path logs = node.resolve("logs");
                try (Stream<Path> all = Files.walk(logs)) {
                    for (Path log :
                            all.filter(f -> f.toString().endsWith(".log")).toList()) {
                        Path kept = run.resolve("kept")
                                .resolve(node.getFileName())
                                .resolve(logs.relativize(log).toString());
                        if (!Files.exists(kept)) {
                            Files.createDirectories(kept.getParent());
                            Files.createLink(kept, log);
                        }
                    }
                }
            }
        } catch (UncheckedIOException | FileSystemException e) {
            // A pod's folder went in between; the next call sees the rest.
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
