package training.lora.trainer.publish;

import io.soabase.recordbuilder.core.RecordBuilder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.AdapterFormat;
import training.lora.api.Artifact;
import training.lora.api.Checkpoint;
import training.lora.api.Json;
import training.lora.api.Manifest;
import training.lora.api.ManifestBuilder;
import training.lora.api.Proof;
import training.lora.api.Reason;
import training.lora.api.RunSpec;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.Folders;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.files.WholeFile;
import training.lora.trainer.run.Workspace;

/**
 * The output folder. Every file is written to a temporary name that is then renamed; the manifest goes first and comes
 * last, so that one that stands there describes what lies beside it.
 */
public final class Publisher {
    /** The manifest's name. */
    public static final String MANIFEST = "manifest.json";

    /** The diffusers form of an adapter, in its own folder because that name is what diffusers looks for. */
    public static final String DIFFUSERS = "diffusers/pytorch_lora_weights.safetensors";

    /** What a checkpoint's files were proven to do. */
    public static final String PROOF = "proof.json";

    /** Loads the adapter in ComfyUI. */
    public static final String WORKFLOW = "workflow.json";

    private static final String LOG = "run.log";

    private final RunSpec run;
    private final Workspace workspace;
    private final Path output;

    /** @param workspace whose output is written; its log goes there too */
    public Publisher(RunSpec run, Workspace workspace) {
        this.run = run;
        this.workspace = workspace;
        this.output = workspace.output();
    }

    /**
     * What a run has come to.
     *
     * @param finished whether every stage asked for is done
     * @param model the base model's family
     * @param baseModelDigest of its files
     * @param datasetDigest of pictures and captions
     * @param device where it was trained
     * @param base what was measured of the base model
     * @param best the checkpoint whose adapter stands first
     * @param checkpoints all that are kept
     */
    @RecordBuilder
    public record State(
            boolean finished,
            String model,
            String baseModelDigest,
            String datasetDigest,
            @Nullable String device,
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
        manifest(run, output);
        Files.createDirectories(output);
        Files.deleteIfExists(output.resolve(MANIFEST));
        Folders.delete(output.resolve("checkpoints"));
        for (Checkpoint checkpoint : state.checkpoints()) {
            String folder = folderName(checkpoint.step());
            copyTree(checkpoints.resolve(folder), output.resolve("checkpoints").resolve(folder));
        }
        copyTree(checkpoints.resolve(folderName(state.best().step())), output);
        for (Map.Entry<String, Path> file : files.entrySet()) {
            copy(file.getValue(), output.resolve(file.getKey()));
        }
        if (Files.exists(workspace.log())) {
            copy(workspace.log(), output.resolve(LOG));
        }
        List<Artifact> all = describe();
        Manifest manifest = ManifestBuilder.builder()
                .version(Manifest.VERSION)
                .owner(run.owner())
                .runId(run.runId())
                .finished(state.finished())
                .time(Instant.now().truncatedTo(ChronoUnit.SECONDS).toString())
                .spec(run.spec())
                .model(state.model())
                .baseModelDigest(state.baseModelDigest())
                .datasetDigest(state.datasetDigest())
                .checkpoints(state.checkpoints())
                .proofs(List.of(Json.MAPPER.readValue(output.resolve(PROOF).toFile(), Proof[].class)))
                .files(all)
                .device(state.device())
                .base(state.base())
                .best(state.best())
                .build();
        WholeFile.write(output.resolve(MANIFEST), temporary -> Json.PRETTY.writeValue(temporary.toFile(), manifest));
        return mainArtifacts(all, output);
    }

    /**
     * The manifest that stands at the output, or null.
     *
     * @throws TrainerException OutputOwned if it is another run's
     */
    public static @Nullable Manifest manifest(RunSpec run, Path output) throws IOException {
        Path file = output.resolve(MANIFEST);
        if (!Files.isRegularFile(file)) {
            return null;
        }
        Manifest manifest = Json.MAPPER.readValue(file.toFile(), Manifest.class);
        if (!manifest.owner().equals(run.owner())) {
            throw new TrainerException(
                    Reason.OutputOwned,
                    "the output must be empty or this run's own, but %s belongs to %s/%s"
                            .formatted(
                                    file,
                                    manifest.owner().namespace(),
                                    manifest.owner().name()));
        }
        return manifest;
    }

    private List<Artifact> describe() throws IOException {
        List<Artifact> all = new ArrayList<>();
        try (Stream<Path> files = Files.walk(output)) {
            for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
                String name = output.relativize(file).toString();
                if (!name.equals(MANIFEST)) {
                    all.add(new Artifact(kind(name), format(name), name, Files.size(file), Sha256.of(file)));
                }
            }
        }
        return all;
    }

    /** Those of the manifest's files that a person asks for, and the manifest itself; uri relative to the workspace. */
    public static List<Artifact> mainArtifacts(List<Artifact> all, Path output) throws IOException {
        String folder = output.getFileName() + "/";
        List<Artifact> main = new ArrayList<>();
        for (Artifact a : all) {
            if (!a.uri().startsWith("checkpoints/") && !a.name().equals("log")) {
                main.add(new Artifact(a.name(), a.format(), folder + a.uri(), a.sizeBytes(), a.sha256()));
            }
        }
        Path manifest = output.resolve(MANIFEST);
        main.add(new Artifact("manifest", null, folder + MANIFEST, Files.size(manifest), Sha256.of(manifest)));
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
            case LOG -> "log";
            case PROOF -> "proof";
            case WORKFLOW -> "workflow";
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
        WholeFile.write(to, temporary -> Files.copy(from, temporary, StandardCopyOption.REPLACE_EXISTING));
    }
}
