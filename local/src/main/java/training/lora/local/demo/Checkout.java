package training.lora.local.demo;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Where things lie in the project's folder.
 *
 * @param home the project's folder
 */
record Checkout(Path home) {
    /** From the property lora.home, which ./demo sets. */
    static Checkout find() {
        return new Checkout(
                Path.of(System.getProperty("lora.home", ".")).toAbsolutePath().normalize());
    }

    Path example() {
        return home.resolve("examples/blue-ink/training.yaml");
    }

    Path trainer() {
        return home.resolve("bin/lora-trainer");
    }

    /** Of the cluster that `up` starts. */
    Path cluster() {
        return output().resolve("cluster");
    }

    private Path output() {
        return home.resolve("demo-output");
    }

    /** A new folder {@code demo-output/<n>}, taken by making it, so that two demos never meet. */
    Path newOutput() throws IOException {
        Files.createDirectories(output());
        for (int n = 1; ; n++) {
            try {
                return Files.createDirectory(output().resolve(Integer.toString(n)));
            } catch (FileAlreadyExistsException e) {
                continue;
            }
        }
    }
}
