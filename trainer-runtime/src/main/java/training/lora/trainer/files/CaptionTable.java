package training.lora.trainer.files;

import java.io.IOException;
import java.nio.file.Path;
import java.text.Normalizer;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.files.CaptionEntries.Entry;

/** The captions of many pictures in one file of a data set, found by their pictures. */
public final class CaptionTable {
    private final String name;

    /** By the picture's path from the file's folder, or as an absolute one; with or without its extension. */
    private final Map<String, Entry> said = new LinkedHashMap<>();

    /** Absolute paths, which are of another machine, by their last names. */
    private final Map<String, Set<String>> absolute = new HashMap<>();

    private CaptionTable(String name) {
        this.name = name;
    }

    private static String lastOf(String path) {
        return path.substring(path.lastIndexOf('/') + 1);
    }

    /**
     * Reads {@code file}.
     *
     * @param name its path below the data set's folder, with slashes
     * @throws NoTextException if it is no such file; the message follows its name
     */
    public static CaptionTable read(Path file, String name) throws IOException, NoTextException {
        CaptionTable table = new CaptionTable(name);
        CaptionEntries.read(file).forEach(table::add);
        return table;
    }

    private void add(Entry entry) {
        String path = Normalizer.normalize(entry.picture().strip(), Normalizer.Form.NFC)
                .replace('\\', '/')
                .replaceFirst("^(\\./)+", "");
        said.merge(path, new Entry(path, entry.texts(), entry.whole()), CaptionTable::and);
        if (path.startsWith("/") || path.matches("[A-Za-z]:/.*")) {
            absolute.computeIfAbsent(lastOf(path), k -> new TreeSet<>()).add(path);
        }
    }

    /** Several entries of one picture are several captions. */
    private static Entry and(Entry one, Entry other) {
        return new Entry(
                one.picture(),
                Stream.concat(one.texts().stream(), other.texts().stream())
                        .distinct()
                        .toList(),
                one.whole() && other.whole());
    }

    /**
     * What is said of {@code picture}; null if nothing is. A path from the file's folder must be the picture's; of one that
     * is absolute only the end can be known.
     *
     * @param picture its path below the data set's folder, with slashes
     * @throws NoTextException if several entries may be meant; the message follows the file's name
     */
    public @Nullable Entry of(String picture) throws NoTextException {
        String folder = name.substring(0, name.lastIndexOf('/') + 1);
        if (!picture.startsWith(folder)) {
            return null;
        }
        String path = picture.substring(folder.length());
        List<String> meant =
                Stream.of(path, stem(path)).distinct().filter(said::containsKey).toList();
        if (meant.isEmpty()) {
            List<String> named = Stream.of(lastOf(path), stem(lastOf(path)))
                    .distinct()
                    .flatMap(last -> absolute.getOrDefault(last, Set.of()).stream())
                    .toList();
            List<String> ending = named.stream()
                    .filter(key -> key.endsWith("/" + path) || key.endsWith("/" + stem(path)))
                    .toList();
            meant = ending.isEmpty() ? named : ending;
        }
        if (meant.size() > 1) {
            throw new NoTextException(
                    "has several entries that may be %s: %s".formatted(picture, String.join(", ", meant)));
        }
        return meant.isEmpty() ? null : said.get(meant.get(0));
    }

    private static String stem(String name) {
        int dot = name.lastIndexOf('.');
        return dot <= name.lastIndexOf('/') + 1 ? name : name.substring(0, dot);
    }

    /** Its path below the data set's folder, with slashes. */
    public String name() {
        return name;
    }

    /** What it says of each picture. */
    public Collection<Entry> entries() {
        return List.copyOf(said.values());
    }

    /** Whether it says anything of a picture. */
    public boolean captions() {
        return !said.isEmpty();
    }

    /** The pictures that it speaks of, as it has them. */
    public Set<String> pictures() {
        return Set.copyOf(said.keySet());
    }

    /** Names of {@code tables}, for messages. */
    public static String names(List<CaptionTable> tables) {
        return tables.stream().map(CaptionTable::name).collect(Collectors.joining(", "));
    }
}
