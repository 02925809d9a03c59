package training.lora.local.demo;

import io.fabric8.kubernetes.api.model.Condition;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.stream.Stream;
import training.lora.api.Artifact;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingStatus;

/** Brings a finished training's output where people look for it, and tells what it came to. */
final class Collector {
    private final Checkout checkout;
    private final Path cluster;
    private final Path to;

    /** To bring what lies in the embedded cluster's folder {@code cluster} to {@code to}. */
    Collector(Checkout checkout, Path cluster, Path to) {
        this.checkout = checkout;
        this.cluster = cluster;
        this.to = to;
    }

    /** Copies the output and prints the summary. */
    void collect(LoraTraining training) throws IOException, InterruptedException {
        LoraTrainingStatus status = training.getStatus();
        Condition failed = Follower.condition(status, "Failed");
        if (failed != null) {
            throw new DemoException(
                    training.getMetadata().getName() + " failed: " + failed.getReason() + ": " + failed.getMessage());
        }
        Path manifest = status.artifacts().stream()
                .filter(a -> a.name().equals("manifest"))
                .map(this::file)
                .findFirst()
                .orElseThrow(() -> new DemoException("the status names no manifest"));
        copy(manifest);
        Process summary = new ProcessBuilder(checkout.trainer().toString(), "inspect", to.toString())
                .inheritIO()
                .start();
        if (summary.waitFor() != 0) {
            throw new DemoException("the summary of " + to + " could not be made");
        }
    }

    /** Where the embedded cluster keeps what {@code pvc://CLAIM/PATH} names. */
    private Path file(Artifact artifact) {
        return cluster.resolve("volumes/default").resolve(artifact.uri().substring("pvc://".length()));
    }

    private void copy(Path manifest) throws IOException {
        Path from = Objects.requireNonNull(manifest.getParent());
        try (Stream<Path> files = Files.walk(from)) {
            for (Path file : files.filter(f -> Files.isRegularFile(f) && !f.equals(manifest))
                    .toList()) {
                Path target = to.resolve(from.relativize(file).toString());
                Files.createDirectories(target.getParent());
                Files.copy(file, target);
            }
        }
        // Last: its presence says that the rest is whole.
        Files.copy(manifest, to.resolve(manifest.getFileName()));
    }
}
