package training.lora.trainer.publish;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.AdapterFormat;
import training.lora.api.Artifact;
import training.lora.api.Checkpoint;
import training.lora.api.Json;
import training.lora.api.Manifest;
import training.lora.api.Reason;
import training.lora.api.RunSpec;
import training.lora.trainer.TrainerException;

/**
 * The output folder. Every file is written to a temporary name that is then renamed; the manifest goes first and comes
 * last, so that one that stands there describes what lies beside it.
 */
public final class Publisher {
    /** The manifest's name. */
    public static final String MANIFEST = "manifest.json";

    /** The diffusers form of an adapter, in its own folder because that name is what diffusers looks for. */
    public static final String DIFFUSERS = "diffusers/pytorch_lora_weights.safetensors";

    private final RunSpec run;
    private final Path output;

    /** @param output where to publish */
    public Publisher(RunSpec run, Path output) {
        this.run = run;
        this.output = output;
    }

    /**
     * What a run has come to.
     *
     * @param finished whether every stage asked for is done
     * @param model the base model's family
     * @param baseModelDigest of its files
     * @param datasetDigest of pictures and captions
     * @param base what was measured of the base model
     * @param best the checkpoint whose adapter stands first
     * @param checkpoints all that are kept
     */
    public record State(
            boolean finished,
            String model,
            String baseModelDigest,
            String datasetDigest,
            @Nullable Checkpoint base,
            Checkpoint best,
            List<Checkpoint> checkpoints) {}

    /** The adapter's file in kohya's form. */
    public static String kohyaName(RunSpec run) {
        return run.owner().name() + ".safetensors";
    }

    /** The folder of a checkpoint, under {@code checkpoints/}. */
    public static String folderName(int step) {
        return "step-%06d".formatted(step);
    }

    /**
     * Publishes.
     *
     * @param checkpoints the folder that holds a folder for each of the state's checkpoints
     * @param files what else goes there, by its name in the output
     * @return the main files, uri relative to the workspace
     * @throws TrainerException OutputOwned if another run's manifest is there
     */
    public List<Artifact> publish(State state, Path checkpoints, Map<String, Path> files) throws IOException {
        refuseOthers();
        Files.createDirectories(output);
        Files.deleteIfExists(output.resolve(MANIFEST));
        delete(output.resolve("checkpoints"));
        for (Checkpoint checkpoint : state.checkpoints()) {
            String folder = folderName(checkpoint.step());
            copyTree(checkpoints.resolve(folder), output.resolve("checkpoints").resolve(folder));
        }
        copyTree(checkpoints.resolve(folderName(state.best().step())), output);
        for (Map.Entry<String, Path> file : files.entrySet()) {
            copy(file.getValue(), output.resolve(file.getKey()));
        }
        List<Artifact> all = describe();
        Manifest manifest = new Manifest(
                Manifest.VERSION,
                run.owner(),
                run.runId(),
                state.finished(),
                Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
                run.spec(),
                state.model(),
                state.baseModelDigest(),
                state.datasetDigest(),
                state.base(),
                state.best(),
                state.checkpoints(),
                all);
        Path temporary = output.resolve("." + MANIFEST + ".tmp");
        Json.PRETTY.writeValue(temporary.toFile(), manifest);
        Files.move(temporary, output.resolve(MANIFEST), StandardCopyOption.ATOMIC_MOVE);
        return mainArtifacts(all);
    }

    private void refuseOthers() throws IOException {
        Path file = output.resolve(MANIFEST);
        if (Files.exists(file)) {
            Manifest other = Json.MAPPER.readValue(file.toFile(), Manifest.class);
            if (!other.owner().equals(run.owner())) {
                throw new TrainerException(
                        Reason.OutputOwned,
                        "the output must be empty or this run's own, but %s belongs to %s/%s"
                                .formatted(
                                        file,
                                        other.owner().namespace(),
                                        other.owner().name()));
            }
        }
    }

    private List<Artifact> describe() throws IOException {
        List<Artifact> all = new ArrayList<>();
        try (Stream<Path> files = Files.walk(output)) {
            for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
                String name = output.relativize(file).toString();
                if (!name.equals(MANIFEST)) {
                    all.add(new Artifact(kind(name), format(name), name, Files.size(file), digest(file)));
                }
            }
        }
        return all;
    }

    private List<Artifact> mainArtifacts(List<Artifact> all) throws IOException {
        String folder = output.getFileName() + "/";
        List<Artifact> main = new ArrayList<>();
        for (Artifact a : all) {
            if (!a.uri().startsWith("checkpoints/") && !a.name().equals("log")) {
                main.add(new Artifact(a.name(), a.format(), folder + a.uri(), a.sizeBytes(), a.sha256()));
            }
        }
        Path manifest = output.resolve(MANIFEST);
        main.add(new Artifact("manifest", null, folder + MANIFEST, Files.size(manifest), digest(manifest)));
        return main;
    }

    private static String kind(String name) {
        if (name.startsWith("checkpoints/")) {
            return "checkpoint";
        }
        return switch (name) {
            case "samples.png" -> "samples";
            case "loss.png" -> "loss";
            case "loss.jsonl" -> "losses";
            case "evaluation.json" -> "evaluation";
            case "run.log" -> "log";
            default -> name.endsWith(".safetensors") ? "lora" : name;
        };
    }

    private static @Nullable AdapterFormat format(String name) {
        if (!name.endsWith(".safetensors")) {
            return null;
        }
        return name.endsWith(DIFFUSERS) ? AdapterFormat.Diffusers : AdapterFormat.Kohya;
    }

    private static void copyTree(Path from, Path to) throws IOException {
        try (Stream<Path> files = Files.walk(from)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                copy(file, to.resolve(from.relativize(file)));
            }
        }
    }

    private static void copy(Path from, Path to) throws IOException {
        Files.createDirectories(to.toAbsolutePath().getParent());
        Path temporary = to.resolveSibling("." + to.getFileName() + ".tmp");
        Files.copy(from, temporary, StandardCopyOption.REPLACE_EXISTING);
        Files.move(temporary, to, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
    }

    /** Deletes a folder with all that is in it, if it is there. */
    public static void delete(Path folder) throws IOException {
        try {
            Files.walkFileTree(folder, new SimpleFileVisitor<>() {
                @Override
                public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                    Files.delete(file);
                    return FileVisitResult.CONTINUE;
                }

                @Override
                public FileVisitResult postVisitDirectory(Path visited, @Nullable IOException problem)
                        throws IOException {
                    if (problem != null) {
                        throw problem;
                    }
                    Files.delete(visited);
                    return FileVisitResult.CONTINUE;
                }
            });
        } catch (NoSuchFileException e) {
            return;
        }
    }

    /** sha256 of a file, hex. */
    public static String digest(Path file) throws IOException {
        try (InputStream in = Files.newInputStream(file)) {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            byte[] buffer = new byte[1 << 16];
            for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
                digest.update(buffer, 0, n);
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
