package training.lora.trainer.publish;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.BooleanSupplier;
import java.util.regex.Matcher;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;
import training.lora.api.Manifest;
import training.lora.api.Owner;
import training.lora.api.Reason;
import training.lora.trainer.Names;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.FileDigests;
import training.lora.trainer.run.Destination;
import training.lora.trainer.run.Workspace;

/**
 * Where an owner's runs publish to: a folder or a place in a bucket. What is there of theirs, a list says: the manifest, or
 * {@link #PENDING} while files are exchanged, after a crash too. Nothing else is overwritten or deleted.
 */
public final class Output {
    /** The manifest's name. */
    public static final String MANIFEST = "manifest.json";

    /** Owner and files while there is no manifest: those that were there and those that are written. */
    static final String PENDING = ".publishing.json";

    private static final String PENDING_VERSION = "lora.training/publishing/v1";

    private static final int NAMED = 3;

    private final Owner owner;
    private final ClaimToken token;
    private final OutputStore store;

    /** What the files of checkpoints looked like that were put there: most are kept when the next one comes. */
    private final Map<String, String> sent = new HashMap<>();

    /**
     * Whose the files are that stand there.
     *
     * @param claim the token of the workspace that wrote this
     */
    private record Pending(String version, Owner owner, String claim, List<String> files) {}

    /** Whether {@code folder} is one that a run publishes to and has not finished yet. */
    public static boolean isUnfinished(Path folder) {
        return Files.isRegularFile(folder.resolve(PENDING)) && !Files.exists(folder.resolve(MANIFEST));
    }

    /**
     * @param owner whose runs publish there
     * @param token of the workspace that they work in
     */
    Output(Owner owner, ClaimToken token, OutputStore store) {
        this.owner = owner;
        this.token = token;
        this.store = store;
    }

    /** The folder that the run's stages publish to. */
    public static Output folder(Owner owner, Workspace workspace) {
        String option = workspace.destination() == null ? "--output" : "`spec.output.uri`";
        return new Output(owner, ClaimToken.of(workspace), new FolderStore(workspace.output(), option));
    }

    /** Where people find what was published: in the bucket, where there is one, else the folder. */
    public static Output published(Owner owner, Workspace workspace) {
        Destination destination = workspace.destination();
        return destination == null || destination.bucket() == null
                ? folder(owner, workspace)
                : new Output(owner, ClaimToken.of(workspace), new BucketStore(destination.bucket()));
    }

    /**
     * Looks whether the owner may publish there, before anything is computed; changes nothing.
     *
     * @throws TrainerException OutputOwned if it belongs to another or to no run, or holds files of nobody's under names that
     *     runs publish
     */
    public void requireOwn() throws IOException {
        Set<String> own = files();
        List<String> others = own == null ? store.entries() : unlisted(own);
        if (!others.isEmpty()) {
            throw foreign(others);
        }
    }

    /**
     * The same, and takes it: of two owners that begin in the same moment, one is refused. It shows as well that files can
     * be written there.
     */
    public void take() throws IOException {
        requireOwn();
        if (files() == null) {
            byte[] claim = pending(List.of());
            store.create(PENDING, claim);
            if (ownNow(claim) == null) {
                throw new TrainerException(
                        Reason.SourceUnreachable,
                        "the output must be taken by one run, but another began and gave up %s in the same moment; start again"
                                .formatted(store.place("")));
            }
        }
        store.cleanUp(this::isPublished);
    }

    /**
     * Gives the place back, if a process of this workspace took it and nothing was published yet: a run that ended in a fault
     * keeps no other from it. What anybody else took stays theirs, runs of the same owner in other workspaces too.
     */
    public void release() throws IOException {
        byte[] claim = pending(List.of());
        if (store.read(MANIFEST) == null) {
            store.delete(PENDING, claim);
        }
    }

    /** Where somebody was faster, it says who, and leaves theirs. */
    private @Nullable Set<String> ownNow(byte[] claim) throws IOException {
        try {
            return files();
        } catch (TrainerException e) {
            store.delete(PENDING, claim);
            throw e;
        }
    }

    private byte[] pending(Collection<String> files) throws IOException {
        return Json.PRETTY.writeValueAsBytes(new Pending(PENDING_VERSION, owner, token.value(), List.copyOf(files)));
    }

    /** The names of the owner's files; null if nobody's are listed. */
    @Nullable Set<String> files() throws IOException {
        Set<String> names = null;
        for (String list : List.of(MANIFEST, PENDING)) {
            byte[] content = store.read(list);
            if (content != null) {
                names = names == null ? new TreeSet<>() : names;
                names.addAll(names(list, content, list.equals(MANIFEST) ? "lora.training/manifest/" : PENDING_VERSION));
            }
        }
        return names;
    }

    private List<String> names(String list, byte[] content, String version) throws IOException {
        JsonNode tree = tree(content);
        if (!tree.path("version").asText().startsWith(version)) {
            throw owned("%s is not that of a training; take another %s".formatted(store.place(list), store.option()));
        }
        Owner other = Json.MAPPER.treeToValue(tree.path("owner"), Owner.class);
        if (!owner.equals(other)) {
            throw owned(
                    "%s belongs to the training %s/%s, and this one is %s/%s; take another %s, or delete what is there if nobody needs it"
                            .formatted(
                                    store.place(list),
                                    other.namespace(),
                                    other.name(),
                                    owner.namespace(),
                                    owner.name(),
                                    store.option()));
        }
        List<String> names = new ArrayList<>();
        tree.path("files")
                .forEach(file -> names.add(
                        file.isTextual() ? file.asText() : file.path("uri").asText()));
        // Earlier releases listed all that was there.
        names.removeIf(name -> !isPublished(name));
        return names;
    }

    private static JsonNode tree(byte[] content) throws IOException {
        try {
            return Json.MAPPER.readTree(content);
        } catch (JsonProcessingException e) {
            return Json.MAPPER.missingNode();
        }
    }

    /** Whether runs of the owner publish files of this name. */
    boolean isPublished(String name) {
        Matcher checkpoint = Publisher.CHECKPOINT.matcher(name);
        return checkpoint.matches()
                ? isAmong(Publisher.CHECKPOINT_FILES, checkpoint.group("file"))
                : isAmong(Publisher.NAMES, name);
    }

    private boolean isAmong(Set<String> names, String name) {
        return names.contains(name)
                || name.equals(Publisher.kohyaName(owner))
                || name.equals(Publisher.bakedName(owner))
                || Publisher.MODEL_FILE.matcher(name).matches()
                || Publisher.EMBEDDING.matcher(name).matches()
                || Publisher.EDEN_FILE.matcher(name).matches();
    }

    /** Files of nobody's under names that runs publish. */
    private List<String> unlisted(Set<String> own) throws IOException {
        Set<String> names = new TreeSet<>();
        for (String name : Publisher.names(owner)) {
            if (!own.contains(name) && store.exists(name)) {
                names.add(name);
            }
        }
        for (String folder : List.of(Publisher.CHECKPOINTS, Publisher.MODEL, Publisher.EMBEDDINGS, Publisher.EDEN)) {
            for (String name : store.below(folder)) {
                if (isPublished(name) && !own.contains(name)) {
                    names.add(name);
                }
            }
        }
        return List.copyOf(names);
    }

    private TrainerException foreign(List<String> others) {
        return owned("%s holds %s, which no run of %s/%s wrote; take another %s"
                .formatted(
                        store.place(""), Names.some(others, NAMED), owner.namespace(), owner.name(), store.option()));
    }

    /** @param why as in "PLACE holds others' files; take another" */
    private TrainerException owned(String why) {
        return new TrainerException(Reason.OutputOwned, "the output must be empty or this run's own, but " + why);
    }

    /**
     * The manifest that stands there; null if there is none.
     *
     * @throws TrainerException OutputOwned if it is another's
     */
    public @Nullable Manifest manifest() throws IOException {
        byte[] content = files() == null ? null : store.read(MANIFEST);
        return content == null ? null : Json.MAPPER.readValue(content, Manifest.class);
    }

    /** The content of the manifest that stands there. */
    byte[] manifestFile() throws IOException {
        return Objects.requireNonNull(store.read(MANIFEST), "no manifest at " + store.place(""));
    }

    /**
     * Puts {@code files} in the place of all that the owner's runs wrote before. From here on until {@link #complete} there
     * is no manifest.
     *
     * @param files where they are, by their names in the output
     * @throws TrainerException OutputOwned if it belongs to another, or one of the names is taken by a file of nobody's
     */
    void replace(Map<String, Path> files) throws IOException {
        replace(files, Map.of(), () -> false);
    }

    /**
     * The same.
     *
     * @param digests sha256 of files that were hashed before, by the same names
     * @param stopping asked before each file whether to end
     * @throws TrainerException Preempted if so; what is there by then needs not be sent again
     */
    void replace(Map<String, Path> files, Map<String, String> digests, BooleanSupplier stopping) throws IOException {
        Set<String> old = begin(files.keySet());
        old.removeAll(files.keySet());
        for (String name : old) {
            if (!name.startsWith(Publisher.REVIEW)) {
                store.delete(name);
            }
        }
        for (Map.Entry<String, Path> file : files.entrySet()) {
            if (stopping.getAsBoolean()) {
                throw new TrainerException(
                        Reason.Preempted,
                        "the run was asked to stop while it wrote to %s; the same command goes on from there"
                                .formatted(store.place("")));
            }
            store.put(file.getKey(), file.getValue(), digests.get(file.getKey()));
        }
        // Until the captions of the new result are there, these are what it was trained on.
        for (String name : old) {
            if (name.startsWith(Publisher.REVIEW)) {
                store.delete(name);
            }
        }
    }

    /**
     * Puts checkpoints of a training that has not ended in the place of those that an earlier attempt wrote, unless a
     * result stands there: that stays whole until the new one is trained.
     *
     * @param files where they are, by their names in the output
     * @return whether there was no result
     * @throws TrainerException the same
     */
    boolean replaceCheckpoints(Map<String, Path> files) throws IOException {
        if (store.read(MANIFEST) != null) {
            return false;
        }
        Set<String> old = begin(files.keySet());
        for (Map.Entry<String, Path> file : files.entrySet()) {
            String state = FileDigests.state(file.getValue());
            if (!state.equals(sent.get(file.getKey()))) {
                store.put(file.getKey(), file.getValue(), null);
                sent.put(file.getKey(), state);
            }
        }
        old.removeAll(files.keySet());
        for (String name : old) {
            if (name.startsWith(Publisher.CHECKPOINTS)) {
                store.delete(name);
            }
        }
        return true;
    }

    /** The content of a small file of the owner's; null if there is none. */
    public byte @Nullable [] read(String name) throws IOException {
        Set<String> own = files();
        return own == null || !own.contains(name) ? null : store.read(name);
    }

    /**
     * Puts small files there for a person before there is a result. One that stands there of an earlier run stays, with its
     * manifest.
     *
     * @throws TrainerException OutputOwned if it belongs to another, or one of the names is taken by a file of nobody's
     */
    public void offer(Map<String, byte[]> files) throws IOException {
        Set<String> before = files();
        store.write(PENDING, pending(with(before == null ? Set.of() : before, files.keySet())));
        for (Map.Entry<String, byte[]> file : files.entrySet()) {
            store.write(file.getKey(), file.getValue());
        }
    }

    /** Lists all that is there and that comes, and takes the manifest away; returns what is there of the owner's. */
    private Set<String> begin(Set<String> coming) throws IOException {
        Set<String> before = files();
        Set<String> old = before == null ? new TreeSet<>() : before;
        store.write(PENDING, pending(with(old, coming)));
        store.delete(MANIFEST);
        return old;
    }

    /** The names of the owner's files, and of those that come. */
    private Set<String> with(Set<String> old, Set<String> coming) throws IOException {
        Set<String> all = new TreeSet<>(old);
        List<String> taken = new ArrayList<>();
        for (String name : coming) {
            if (!isPublished(name)) {
                throw new IllegalStateException(name + " must be among the names that runs publish");
            }
            if (!old.contains(name) && store.exists(name)) {
                taken.add(name);
            }
        }
        if (!taken.isEmpty()) {
            throw foreign(taken);
        }
        all.addAll(coming);
        return all;
    }

    /** Writes the manifest of what lies there. */
    void complete(Manifest manifest) throws IOException {
        store.write(MANIFEST, Json.PRETTY.writeValueAsBytes(manifest));
        store.delete(PENDING);
    }
}
