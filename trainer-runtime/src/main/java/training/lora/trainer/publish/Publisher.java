package training.lora.trainer.publish;

import io.soabase.recordbuilder.core.RecordBuilder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.BooleanSupplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.AdapterFormat;
import training.lora.api.Artifact;
import training.lora.api.Checkpoint;
import training.lora.api.Json;
import training.lora.api.Manifest;
import training.lora.api.ManifestBuilder;
import training.lora.api.Owner;
import training.lora.api.Proof;
import training.lora.api.RunSpec;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.CaptionTables;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.run.InputDigests;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.run.Workspace;
import training.lora.trainer.source.Source;

/**
 * Publishes what a run has come to, in the folder and, where the spec wants it elsewhere, there. Every file appears whole; the
 * manifest goes first and comes last, so that one that stands there describes what lies beside it.
 */
public final class Publisher {
    private static final Logger LOG = LoggerFactory.getLogger(Publisher.class);

    /** The diffusers form of an adapter, in its own folder because that name is what diffusers looks for. */
    public static final String DIFFUSERS = "diffusers/pytorch_lora_weights.safetensors";

    /** Ends the name of the adapter's file as full differences of weights; no run's name has such an end. */
    private static final String BAKED = "_a1111.safetensors";

    /** The folder of a whole model that was trained, in diffusers' form. */
    public static final String MODEL = "diffusers/";

    /** What its files are but the denoiser. */
    private static final String MODEL_PART = "modelPart";

    /** The denoiser in it. */
    public static final String TRAINED_UNET = MODEL + "unet/diffusion_pytorch_model.safetensors";

    /** The names of a whole model's files. */
    static final Pattern MODEL_FILE = Pattern.compile(MODEL
            + "(model_index\\.json|(unet|vae|text_encoder|text_encoder_2|tokenizer|tokenizer_2|scheduler)/[^/]+)");

    /** The folder of embeddings of new tokens, a file each. */
    public static final String EMBEDDINGS = "embeddings/";

    /** The names of such files. */
    static final Pattern EMBEDDING = Pattern.compile(EMBEDDINGS + "[^/]+\\.safetensors");

    /** The folder of what Eden's trainer would have written. */
    public static final String EDEN = "eden/";

    /** The names of such files. */
    static final Pattern EDEN_FILE = Pattern.compile(EDEN + "[^/]+\\.(safetensors|json)");

    /** What a checkpoint's files were proven to do. */
    public static final String PROOF = "proof.json";

    /** Loads the adapter in ComfyUI. */
    public static final String WORKFLOW = "workflow.json";

    private static final String RUN_LOG = "run.log";

    /** The folder of all checkpoints. */
    static final String CHECKPOINTS = "checkpoints/";

    /** The folder of what waits for a look while another run's result stands there. */
    public static final String REVIEW = "review/";

    /** The names of all files beside those that are named after the run and those of the checkpoints. */
    static final Set<String> NAMES = Set.of(
            DIFFUSERS,
            PROOF,
            WORKFLOW,
            RUN_LOG,
            "samples.png",
            "loss.png",
            "loss.jsonl",
            CaptionTables.PREPARED,
            "evaluation.json",
            "report.html",
            "dataset/report.json",
            "dataset/report.html",
            REVIEW + CaptionTables.PREPARED,
            REVIEW + "report.html");

    private static final Pattern STEP = Pattern.compile("step-(\\d{6,9})");

    /** The names of the files of checkpoints. */
    static final Pattern CHECKPOINT = Pattern.compile("checkpoints/" + STEP.pattern() + "/(?<file>.+)");

    /** The names of a checkpoint's files beside those that are named after the run. */
    static final Set<String> CHECKPOINT_FILES = Set.of(DIFFUSERS, PROOF, WORKFLOW);

    private final RunSpec run;
    private final Workspace workspace;
    private final Path output;
    private final BooleanSupplier stopping;
    private final List<Source> sources;

    /** Publishes what {@code context} is about. */
    public Publisher(RunContext context) {
        this(context.run(), context.workspace(), context.stopping(), context.everything());
    }

    /**
     * @param workspace whose output is written; its log goes there too
     * @param stopping whether the process was asked to end, which an upload does between two files
     */
    public Publisher(RunSpec run, Workspace workspace, BooleanSupplier stopping) {
        this(run, workspace, stopping, List.of());
    }

    private Publisher(RunSpec run, Workspace workspace, BooleanSupplier stopping, List<Source> sources) {
        this.sources = sources;
        this.stopping = stopping;
        this.run = run;
        this.workspace = workspace;
        this.output = workspace.output();
    }

    /**
     * What a run has come to.
     *
     * @param finished whether every stage asked for is done
     * @param model the base model's family
     * @param inputs what the run was made from
     * @param device where it was trained
     * @param base what was measured of the base model
     * @param stoppedEarly where and why the training ended before its last step
     * @param best the checkpoint whose adapter stands first
     * @param checkpoints all that are kept
     */
    @RecordBuilder
    public record State(
            boolean finished,
            String model,
            InputDigests inputs,
            @Nullable String device,
            @Nullable Checkpoint base,
            @Nullable String stoppedEarly,
            Checkpoint best,
            List<Checkpoint> checkpoints) {}

    /** The adapter's file in kohya's form. */
    public static String kohyaName(RunSpec run) {
        return kohyaName(run.owner());
    }

    /** The adapter's file as full differences of weights. */
    public static String bakedName(RunSpec run) {
        return bakedName(run.owner());
    }

    static String bakedName(Owner owner) {
        return owner.name() + BAKED;
    }

    /** The names of all files but those of checkpoints. */
    static Set<String> names(Owner owner) {
        Set<String> names = new TreeSet<>(NAMES);
        names.add(kohyaName(owner));
        names.add(bakedName(owner));
        return names;
    }

    static String kohyaName(Owner owner) {
        return owner.name() + ".safetensors";
    }

    /** The folder of a checkpoint, under {@code checkpoints/}. */
    public static String folderName(int step) {
        return "step-%06d".formatted(step);
    }

    /** The step of the folder of a checkpoint, or of what else is named as it; -1 for other names. */
    public static int step(String folderName) {
        Matcher step = STEP.matcher(folderName);
        return step.matches() ? Integer.parseInt(step.group(1)) : -1;
    }

    /**
     * Publishes.
     *
     * @param checkpoints the folder that holds a folder for each of the state's checkpoints
     * @param files what else goes there, by its name in the output
     * @return the main files
     * @throws TrainerException OutputOwned if the output belongs to another, or a file of nobody's is in the way
     */
    public List<Artifact> publish(State state, Path checkpoints, Map<String, Path> files) throws IOException {
        Map<String, Path> all = new TreeMap<>();
        for (Checkpoint checkpoint : state.checkpoints()) {
            all.putAll(checkpoint(checkpoints, checkpoint.step()));
        }
        all.putAll(tree(checkpoints.resolve(folderName(state.best().step())), ""));
        all.putAll(files);
        for (String report : List.of("report.json", "report.html")) {
            Path file = workspace.dataset().resolve(report);
            if (Files.exists(file)) {
                all.put("dataset/" + report, file);
            }
        }
        Path captions = workspace.dataset().resolve(CaptionTables.PREPARED);
        if (run.spec().preparation().captions().pauseForReview() && Files.exists(captions)) {
            all.put(CaptionTables.PREPARED, captions);
        }
        if (Files.exists(workspace.log())) {
            all.put(RUN_LOG, workspace.log());
        }
        Output folder = Output.folder(run.owner(), workspace);
        folder.replace(all);
        List<Artifact> artifacts = describe(all.keySet());
        Manifest manifest = ManifestBuilder.builder()
                .version(Manifest.VERSION)
                .owner(run.owner())
                .runId(run.runId())
                .finished(state.finished())
                .time(Instant.now().truncatedTo(ChronoUnit.SECONDS).toString())
                .spec(run.shown())
                .model(state.model())
                .baseModelDigest(state.inputs().baseModel())
                .datasetDigest(state.inputs().data())
                .checkpoints(state.checkpoints())
                .proofs(List.of(Json.MAPPER.readValue(output.resolve(PROOF).toFile(), Proof[].class)))
                .files(artifacts)
                .initFromDigest(state.inputs().initFrom())
                .captionsDigest(state.inputs().captions())
                .clipDigest(state.inputs().clip())
                .sources(workspace.fetched().versions(sources))
                .device(state.device())
                .stoppedEarly(state.stoppedEarly())
                .base(state.base())
                .best(state.best())
                .build();
        folder.complete(manifest);
        upload(manifest);
        return mainArtifacts(artifacts);
    }

    /** Brings what stands in the folder to where the spec wants it, if that is elsewhere. */
    private void upload(Manifest manifest) throws IOException {
        if (!workspace.uploads()) {
            return;
        }
        Map<String, Path> files = new TreeMap<>();
        Map<String, String> digests = new TreeMap<>();
        for (Artifact file : manifest.files()) {
            files.put(file.uri(), output.resolve(file.uri()));
            digests.put(file.uri(), file.sha256());
        }
        Output published = Output.published(run.owner(), workspace);
        published.replace(files, digests, stopping);
        published.complete(manifest);
    }

    /**
     * Uploads what an earlier attempt could not: a finished run that stands in the folder alone. Where the same run stands
     * finished in the bucket, that counts, be it from another workspace.
     *
     * @throws TrainerException if it can't be uploaded now either
     */
    public void uploadFinished() throws IOException {
        if (!workspace.uploads()) {
            return;
        }
        Manifest here = Output.folder(run.owner(), workspace).manifest();
        if (here == null || !here.finished() || !here.runId().equals(run.runId())) {
            return;
        }
        Manifest there = Output.published(run.owner(), workspace).manifest();
        if (there == null || !there.finished() || !there.runId().equals(run.runId())) {
            LOG.info("the finished run in {} is uploaded", output);
            upload(here);
        }
    }

    private List<Artifact> describe(Collection<String> names) throws IOException {
        List<Artifact> all = new ArrayList<>();
        for (String name : names) {
            Path file = output.resolve(name);
            all.add(new Artifact(kind(name), format(name), name, Files.size(file), Sha256.of(file)));
        }
        return all;
    }

    /** Those of the manifest's files that a person asks for, and the manifest itself; uri as {@link Workspace#artifact} has it. */
    public List<Artifact> mainArtifacts(List<Artifact> all) throws IOException {
        List<Artifact> main = new ArrayList<>();
        for (Artifact a : all) {
            if (!a.uri().startsWith(CHECKPOINTS)
                    && !a.name().equals("log")
                    && !a.name().equals(MODEL_PART)) {
                main.add(new Artifact(a.name(), a.format(), workspace.artifact(a.uri()), a.sizeBytes(), a.sha256()));
            }
        }
        byte[] manifest = Output.published(run.owner(), workspace).manifestFile();
        main.add(new Artifact(
                "manifest", null, workspace.artifact(Output.MANIFEST), (long) manifest.length, Sha256.of(manifest)));
        return main;
    }

    private String kind(String name) {
        if (name.startsWith(CHECKPOINTS)) {
            return "checkpoint";
        }
        if (name.startsWith(EMBEDDINGS)) {
            return "embedding";
        }
        if (name.startsWith(EDEN)) {
            return "eden";
        }
        if (run.spec().training().trainsModel() && (name.equals(kohyaName(run)) || name.startsWith(MODEL))) {
            return name.equals(kohyaName(run)) || name.equals(TRAINED_UNET) ? "model" : MODEL_PART;
        }
        return switch (name) {
            case "samples.png" -> "samples";
            case "loss.png" -> "loss";
            case "loss.jsonl" -> "losses";
            case CaptionTables.PREPARED -> "captions";
            case "evaluation.json" -> "evaluation";
            case "report.html" -> "report";
            case "dataset/report.html" -> "datasetReport";
            case "dataset/report.json" -> "datasetReportData";
            case RUN_LOG -> "log";
            case PROOF -> "proof";
            case WORKFLOW -> "workflow";
            default -> name.endsWith(".safetensors") ? "lora" : name;
        };
    }

    private static @Nullable AdapterFormat format(String name) {
        if (!name.endsWith(".safetensors")
                || EMBEDDING.matcher(name).find()
                || EDEN_FILE.matcher(name).find()) {
            return null;
        }
        if (MODEL_FILE.matcher(name).find()) {
            return AdapterFormat.Diffusers;
        }
        if (name.endsWith(BAKED)) {
            return AdapterFormat.A1111Baked;
        }
        return name.endsWith(DIFFUSERS) ? AdapterFormat.Diffusers : AdapterFormat.Kohya;
    }

    /** The files of a checkpoint, by their names in the output. */
    static Map<String, Path> checkpoint(Path checkpoints, int step) throws IOException {
        String folder = folderName(step);
        return tree(checkpoints.resolve(folder), CHECKPOINTS + folder + "/");
    }

    /** The files below {@code from}, by their names with {@code prefix} before them. */
    private static Map<String, Path> tree(Path from, String prefix) throws IOException {
        Map<String, Path> tree = new TreeMap<>();
        try (Stream<Path> files = Files.walk(from)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                tree.put(prefix + from.relativize(file), file);
            }
        }
        return tree;
    }
}
