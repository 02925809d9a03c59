package training.lora.trainer.dataset;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.core.JsonProcessingException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.DatasetRole;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.model.text.TextEmbedding;
import training.lora.trainer.model.unet.PictureSizes;
import training.lora.trainer.tensor.SafeTensors;

/** The prepared data set, opened for reading. */
public final class PreparedDataset implements AutoCloseable {
    /** The manifest's name. */
    public static final String MANIFEST = "manifest.json";

    /** Posterior means and deviations of the pictures' latents, scaled: {@code mean.N} and {@code std.N}, (C, h, w). */
    public static final String LATENTS = "latents.safetensors";

    /**
     * Text embeddings: {@code caption.N} of the Nth sample's caption, {@code empty} of the empty text, (S, D); SDXL: with
     * {@link #POOLED} behind the name the pooled ones (P).
     */
    public static final String TEXT = "text.safetensors";

    /** Follows a text embedding's name. */
    public static final String POOLED = ".pooled";

    /** How much each place of the latents counts: {@code mask.N} of the Nth sample, (1, h, w); absent without masks. */
    public static final String MASKS = "masks.safetensors";

    private final Path folder;
    private final DatasetManifest manifest;
    private final SafeTensors latents;
    private final SafeTensors text;
    private final @Nullable SafeTensors masks;

    private PreparedDataset(
            Path folder, DatasetManifest manifest, SafeTensors latents, SafeTensors text, @Nullable SafeTensors masks) {
        this.folder = folder;
        this.manifest = manifest;
        this.latents = latents;
        this.text = text;
        this.masks = masks;
    }

    /** Opens the folder that prepare wrote. */
    public static PreparedDataset open(Path folder) {
        DatasetManifest manifest = manifest(folder);
        List<SafeTensors> open = new ArrayList<>();
        try {
            open.add(SafeTensors.open(folder.resolve(LATENTS)));
            open.add(SafeTensors.open(folder.resolve(TEXT)));
            Path masks = folder.resolve(MASKS);
            if (Files.isRegularFile(masks)) {
                open.add(SafeTensors.open(masks));
            }
            return new PreparedDataset(
                    folder, manifest, open.get(0), open.get(1), open.size() == 3 ? open.get(2) : null);
        } catch (RuntimeException e) {
            open.forEach(SafeTensors::close);
            throw e;
        }
    }

    /** Whether prepare wrote {@code folder}, which may be damaged or of another release by now, or nothing is in it. */
    public static boolean isOne(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            return false;
        }
        try (Stream<Path> files = Files.list(folder)) {
            if (files.findAny().isEmpty()) {
                return true;
            }
        }
        Path file = folder.resolve(MANIFEST);
        try {
            return Files.isRegularFile(file)
                    && Json.MAPPER
                            .readTree(file.toFile())
                            .path("version")
                            .asText()
                            .startsWith(DatasetManifest.VERSIONS);
        } catch (JsonProcessingException e) {
            return Files.isRegularFile(folder.resolve(LATENTS));
        }
    }

    /** The folder's manifest. */
    public static DatasetManifest manifest(Path folder) {
        Path file = folder.resolve(MANIFEST);
        if (!Files.isRegularFile(file)) {
            throw new TrainerException(
                    Reason.InvalidConfiguration, folder + " must hold a prepared data set: run `prepare` first");
        }
        try {
            return Json.MAPPER.readValue(file.toFile(), DatasetManifest.class);
        } catch (IOException e) {
            throw new TrainerException(Reason.InvalidConfiguration, file + " must be a data set's manifest", e);
        }
    }

    /** Its manifest. */
    public DatasetManifest manifest() {
        return manifest;
    }

    /** sha256 of every file of {@code folder} but the manifest, by relative name. */
    public static Map<String, String> digests(Path folder) throws IOException {
        Map<String, String> digests = new TreeMap<>();
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                String name = folder.relativize(file).toString();
                if (!name.equals(MANIFEST)) {
                    digests.put(name, Sha256.of(file));
                }
            }
        }
        return digests;
    }

    /** Number of pictures of all roles. */
    public int size() {
        return manifest.samples().size();
    }

    /** Numbers of the pictures of {@code role}. */
    public int[] samples(DatasetRole role) {
        return IntStream.range(0, size())
                .filter(i -> manifest.samples().get(i).role() == role)
                .toArray();
    }

    /** Numbers of the pictures of some data sets. */
    public int[] samples(List<String> datasets) {
        return IntStream.range(0, size())
                .filter(i -> datasets.contains(manifest.samples().get(i).dataset()))
                .toArray();
    }

    /** The prepared picture of a sample. */
    public Path file(DatasetManifest.Sample sample) {
        return folder.resolve(sample.file());
    }

    /** Prepared pictures of some data sets, without copies and other sizes of them. */
    public List<Path> pictureFiles(List<String> datasets) {
        return manifest.samples().stream()
                .filter(s -> s.variation() == null && datasets.contains(s.dataset()))
                .map(s -> folder.resolve(s.file()))
                .toList();
    }

    /** The captions of some data sets' pictures, in the order of {@link #pictureFiles}. */
    public List<String> captions(List<String> datasets) {
        return manifest.samples().stream()
                .filter(s -> s.variation() == null && datasets.contains(s.dataset()))
                .map(DatasetManifest.Sample::caption)
                .toList();
    }

    /** Side in pixels of the squares that are drawn. */
    public int resolution() {
        return manifest.resolution();
    }

    /** sha256 over pictures and captions as they came. */
    public String digest() {
        return manifest.digest();
    }

    /** Mean of the latents of picture {@code i}, scaled: (C, h, w). */
    public NDArray latentMean(int i, NDManager manager) {
        return latents.read("mean." + i, manager);
    }

    /** Standard deviation of the latents of picture {@code i}, scaled: (C, h, w). */
    public NDArray latentStd(int i, NDManager manager) {
        return latents.read("std." + i, manager);
    }

    /** Embedding of the caption of picture {@code i}: (S, D) and (P). */
    public TextEmbedding textEmbedding(int i, NDManager manager) {
        return embedding("caption." + i, manager);
    }

    /** Embedding of the empty text: (S, D) and (P). */
    public TextEmbedding emptyEmbedding(NDManager manager) {
        return embedding("empty", manager);
    }

    private TextEmbedding embedding(String name, NDManager manager) {
        boolean pooled = text.entries().containsKey(name + POOLED);
        return new TextEmbedding(text.read(name, manager), pooled ? text.read(name + POOLED, manager) : null);
    }

    /** Sizes of the pictures. */
    public List<PictureSizes> sizes() {
        return manifest.samples().stream().map(DatasetManifest.Sample::sizes).toList();
    }

    /** Which pictures have one size. */
    public Buckets buckets() {
        return Buckets.of(sizes());
    }

    /** Whether parts of the pictures count more than others. */
    public boolean masked() {
        return masks != null;
    }

    /** How much each place of the latents of picture {@code i} counts, from 0 to 1: (1, h, w); only where {@link #masked}. */
    public NDArray mask(int i, NDManager manager) {
        return Objects.requireNonNull(masks).read("mask." + i, manager);
    }

    @Override
    public void close() {
        if (masks != null) {
            masks.close();
        }
        latents.close();
        text.close();
    }
}
