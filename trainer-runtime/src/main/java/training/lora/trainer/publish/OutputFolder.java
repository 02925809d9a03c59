package training.lora.trainer.publish;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;
import training.lora.api.Manifest;
import training.lora.api.Owner;
import training.lora.api.Reason;
import training.lora.trainer.Names;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.SystemFiles;
import training.lora.trainer.files.WholeFile;

/**
 * The folder that an owner's runs publish to. What is there of theirs, a list says: the manifest, or {@link #PENDING} while
 * files are exchanged, after a crash too. Nothing else is overwritten or deleted.
 */
public final class OutputFolder {
    /** The manifest's name. */
    public static final String MANIFEST = "manifest.json";

    /** Owner and files while there is no manifest: those that were there and those that are written. */
    static final String PENDING = ".publishing.json";

    private static final String PENDING_VERSION = "lora.training/publishing/v1";

    private static final int NAMED = 3;

    private final Owner owner;
    private final Path folder;

    /** Whose the files are that stand there. */
    private record Pending(String version, Owner owner, List<String> files) {}

    /** @param owner whose runs publish there */
    public OutputFolder(Owner owner, Path folder) {
        this.owner = owner;
        this.folder = folder;
    }

    /**
     * Looks whether the owner may publish there, before anything is computed; changes nothing.
     *
     * @throws TrainerException OutputOwned if the folder belongs to another or to no run, or holds files of nobody's under
     *     names that runs publish
     */
    public void requireOwn() throws IOException {
        if (!Files.isDirectory(folder)) {
            return;
        }
        Set<String> own = files();
        List<String> others = own == null ? entries() : unlisted(own);
        if (!others.isEmpty()) {
            throw foreign(others);
        }
    }

    /** The names of the owner's files; null if nobody's are listed. */
    private @Nullable Set<String> files() throws IOException {
        Set<String> names = null;
        for (String list : List.of(MANIFEST, PENDING)) {
            Path file = folder.resolve(list);
            if (Files.exists(file)) {
                names = names == null ? new TreeSet<>() : names;
                names.addAll(names(file, list.equals(MANIFEST) ? "lora.training/manifest/" : PENDING_VERSION));
            }
        }
        return names;
    }

    private List<String> names(Path list, String version) throws IOException {
        JsonNode tree = read(list);
        if (!tree.path("version").asText().startsWith(version)) {
            throw new TrainerException(
                    Reason.OutputOwned,
                    "the output must be empty or this run's own, but %s is not that of a training".formatted(list));
        }
        Owner other = Json.MAPPER.treeToValue(tree.path("owner"), Owner.class);
        if (!owner.equals(other)) {
            throw new TrainerException(
                    Reason.OutputOwned,
                    "the output must be empty or this run's own, but %s belongs to %s/%s"
                            .formatted(list, other.namespace(), other.name()));
        }
        List<String> names = new ArrayList<>();
        tree.path("files")
                .forEach(file -> names.add(
                        file.isTextual() ? file.asText() : file.path("uri").asText()));
        // Earlier releases listed all that was there.
        names.removeIf(name -> !isPublished(name));
        return names;
    }

    private static JsonNode read(Path file) throws IOException {
        try {
            return Json.MAPPER.readTree(file.toFile());
        } catch (JsonProcessingException e) {
            return Json.MAPPER.missingNode();
        }
    }

    /** Whether runs of the owner publish files of this name. */
    private boolean isPublished(String name) {
        Matcher checkpoint = Publisher.CHECKPOINT.matcher(name);
        return checkpoint.matches()
                ? isAmong(Publisher.CHECKPOINT_FILES, checkpoint.group("file"))
                : isAmong(Publisher.NAMES, name);
    }

    private boolean isAmong(Set<String> names, String name) {
        return names.contains(name) || name.equals(Publisher.kohyaName(owner));
    }

    private List<String> entries() throws IOException {
        try (Stream<Path> all = Files.list(folder)) {
            return all.map(entry -> entry.getFileName().toString())
                    .filter(name -> !SystemFiles.isOne(name))
                    .sorted()
                    .toList();
        }
    }

    /** Files of nobody's under names that runs publish. */
    private List<String> unlisted(Set<String> own) throws IOException {
        Set<String> names = new TreeSet<>(Publisher.NAMES);
        names.add(Publisher.kohyaName(owner));
        names.removeIf(name -> !isThere(name));
        Path checkpoints = folder.resolve(Publisher.CHECKPOINTS);
        if (Files.isDirectory(checkpoints)) {
            try (Stream<Path> files = Files.find(checkpoints, Integer.MAX_VALUE, (f, a) -> !a.isDirectory())) {
                files.map(file -> folder.relativize(file).toString())
                        .filter(this::isPublished)
                        .forEach(names::add);
            }
        }
        names.removeAll(own);
        return List.copyOf(names);
    }

    private boolean isThere(String name) {
        return Files.exists(folder.resolve(name), LinkOption.NOFOLLOW_LINKS);
    }

    private TrainerException foreign(List<String> others) {
        return new TrainerException(
                Reason.OutputOwned,
                "the output must be empty or this run's own, but %s holds %s, which no run of %s/%s wrote; take another --output"
                        .formatted(folder, Names.some(others, NAMED), owner.namespace(), owner.name()));
    }

    /**
     * The manifest that stands there; null if there is none.
     *
     * @throws TrainerException OutputOwned if it is another's
     */
    public @Nullable Manifest manifest() throws IOException {
        Path file = folder.resolve(MANIFEST);
        if (files() == null || !Files.exists(file)) {
            return null;
        }
        return Json.MAPPER.readValue(file.toFile(), Manifest.class);
    }

    /**
     * Puts {@code files} in the place of all that the owner's runs wrote before. From here on until {@link #complete} there
     * is no manifest.
     *
     * @param files where they are, by their names in the folder
     * @throws TrainerException OutputOwned if the folder belongs to another, or one of the names is taken by a file of
     *     nobody's
     */
    void replace(Map<String, Path> files) throws IOException {
        Set<String> before = files();
        Set<String> old = before == null ? Set.of() : before;
        List<String> taken = new ArrayList<>();
        for (String name : files.keySet()) {
            if (!isPublished(name)) {
                throw new IllegalStateException(name + " must be among the names that runs publish");
            }
            if (!old.contains(name) && isThere(name)) {
                taken.add(name);
            }
        }
        if (!taken.isEmpty()) {
            throw foreign(taken);
        }
        Set<String> all = new TreeSet<>(old);
        all.addAll(files.keySet());
        Pending pending = new Pending(PENDING_VERSION, owner, List.copyOf(all));
        WholeFile.write(folder.resolve(PENDING), temporary -> Json.PRETTY.writeValue(temporary.toFile(), pending));
        Files.deleteIfExists(folder.resolve(MANIFEST));
        all.removeAll(files.keySet());
        delete(all);
        for (Map.Entry<String, Path> file : files.entrySet()) {
            WholeFile.write(
                    folder.resolve(file.getKey()),
                    temporary -> Files.copy(file.getValue(), temporary, StandardCopyOption.REPLACE_EXISTING));
        }
    }

    private void delete(Collection<String> names) throws IOException {
        for (String name : names) {
            Path file = folder.resolve(name);
            Files.deleteIfExists(file);
            Files.deleteIfExists(WholeFile.temporary(file));
            for (Path parent = file.getParent();
                    parent != null && !parent.equals(folder) && deleteIfEmpty(parent);
                    parent = parent.getParent()) {}
        }
    }

    private static boolean deleteIfEmpty(Path folder) throws IOException {
        try {
            return Files.deleteIfExists(folder);
        } catch (DirectoryNotEmptyException e) {
            return false;
        }
    }

    /** Writes the manifest of what lies there. */
    void complete(Manifest manifest) throws IOException {
        WholeFile.write(folder.resolve(MANIFEST), temporary -> Json.PRETTY.writeValue(temporary.toFile(), manifest));
        Files.deleteIfExists(folder.resolve(PENDING));
    }
}
