package training.lora.images;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** An image from its archive, as a node unpacks it. */
final class UnpackedImage {
    private static final ObjectMapper MAPPER = new ObjectMapper();
    /** One of those that OpenShift gives to a namespace. */
    private static final String ANY_USER = "1000730000";

    private final Path root;
    private final JsonNode config;

    private UnpackedImage(Path root, JsonNode config) {
        this.root = root;
        this.config = config;
    }

    static Path archive(String name) {
        return Project.HOME.resolve("images/" + name + ".tar");
    }

    /** @param folder an empty one */
    static UnpackedImage unpack(String name, Path folder) throws IOException, InterruptedException {
        Path blobs = Files.createDirectories(folder.resolve("blobs"));
        Commands.output("tar", "-xf", archive(name).toString(), "-C", blobs.toString());
        JsonNode manifest =
                MAPPER.readTree(blobs.resolve("manifest.json").toFile()).get(0);
        Path root = Files.createDirectories(folder.resolve("root"));
        for (JsonNode layer : manifest.get("Layers")) {
            Path blob = blobs.resolve(layer.asText());
            Commands.output("tar", "-xpzf", blob.toString(), "-C", root.toString());
            Files.delete(blob);
        }
        return new UnpackedImage(
                root,
                MAPPER.readTree(blobs.resolve(manifest.get("Config").asText()).toFile())
                        .get("config"));
    }

    Path root() {
        return root;
    }

    /** As Docker has it: Env, Entrypoint, User, Labels. */
    JsonNode config() {
        return config;
    }

    /** All files in it, as paths of the image. */
    List<String> files() throws IOException {
        try (Stream<Path> files = Files.walk(root)) {
            return files.filter(Files::isRegularFile)
                    .map(file -> "/" + root.relativize(file))
                    .sorted()
                    .toList();
        }
    }

    /** A container of it, of a user without a name, with a root file system that can only be read. */
    Process start(Path log, List<String> volumes, List<String> environment, List<String> arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of(
                Path.of("src/test/resources/run-image").toAbsolutePath().toString(), root.toString(), ANY_USER));
        for (String volume : volumes) {
            command.addAll(List.of("-v", volume));
        }
        command.add("--");
        config.get("Env").forEach(variable -> command.add(variable.asText()));
        command.addAll(environment);
        config.get("Entrypoint").forEach(word -> command.add(word.asText()));
        command.addAll(arguments);
        return new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
    }

    /** Runs to its end, which must come with {@code exitCode}. */
    void run(int exitCode, Path log, List<String> volumes, List<String> environment, List<String> arguments)
            throws IOException, InterruptedException {
        Process process = start(log, volumes, environment, arguments);
        if (!process.waitFor(10, TimeUnit.MINUTES)) {
            process.destroyForcibly();
            throw new IOException("the container must end within 10 minutes: " + Files.readString(log));
        }
        if (process.exitValue() != exitCode) {
            throw new IOException("exit code " + process.exitValue() + ": " + Files.readString(log));
        }
    }
}
