package training.lora.trainer.prepare;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.text.Normalizer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;

/**
 * The captions of many pictures in one file: metadata.csv or metadata.jsonl as datasets on the Hugging Face Hub have it
 * ({@code file_name} and {@code text}), metadata.json as kohya's scripts write it (an entry for each picture, with
 * {@code caption} and {@code tags}), or the same as lines.
 */
final class CaptionTable {
    private static final List<String> PICTURES = List.of("file_name", "image_path", "image", "file");

    private static final List<String> CAPTIONS = List.of("text", "caption", "captions", "prompt");

    private final DataFolder.Entry file;

    /** By the picture's path from the file's folder, or as an absolute one; with or without its extension. */
    private final Map<String, Said> said = new LinkedHashMap<>();

    /** Absolute paths, which are of another machine, by their last names. */
    private final Map<String, Set<String>> absolute = new HashMap<>();

    private CaptionTable(DataFolder.Entry file) {
        this.file = file;
    }

    /**
     * What is said of a picture.
     *
     * @param picture the picture's path, as the file has it
     * @param texts one or several captions
     * @param whole whether prepare wrote it, with the concept's words in it
     */
    record Said(String picture, List<String> texts, boolean whole) {
        private Said and(Said other) {
            return new Said(
                    picture,
                    Stream.concat(texts.stream(), other.texts.stream())
                            .distinct()
                            .toList(),
                    whole && other.whole);
        }
    }

    private static String lastOf(String path) {
        return path.substring(path.lastIndexOf('/') + 1);
    }

    /**
     * Reads {@code file}.
     *
     * @throws CaptionText.NoTextException if it is no such file; the message follows its name
     */
    static CaptionTable read(DataFolder.Entry file) throws IOException, CaptionText.NoTextException {
        String text = CaptionText.whole(file.path());
        CaptionTable table = new CaptionTable(file);
        try {
            switch (file.extension()) {
                case "csv" -> table.csv(text);
                case "jsonl" -> table.lines(text.lines().toList());
                default -> {
                    JsonNode root = Json.MAPPER.readTree(text);
                    if (root.isArray()) {
                        root.forEach(entry -> table.entry(null, entry));
                    } else {
                        root.fields().forEachRemaining(entry -> table.entry(entry.getKey(), entry.getValue()));
                    }
                }
            }
        } catch (JsonProcessingException e) {
            throw new CaptionText.NoTextException(
                    "is no " + file.extension().toUpperCase(Locale.ROOT) + ": " + Json.problem(e));
        }
        return table;
    }

    private void lines(List<String> lines) throws CaptionText.NoTextException {
        for (int i = 0; i < lines.size(); i++) {
            if (!lines.get(i).isBlank()) {
                try {
                    entry(null, Json.MAPPER.readTree(lines.get(i)));
                } catch (JsonProcessingException e) {
                    throw new CaptionText.NoTextException("has no JSON in line %d: %s"
                            .formatted(i + 1, Json.problem(e).replaceFirst(" at line 1$", "")));
                }
            }
        }
    }

    private void entry(@Nullable String name, JsonNode entry) {
        String picture = name != null
                ? name
                : strings(entry, PICTURES).stream().findFirst().orElse(null);
        if (picture == null) {
            return;
        }
        List<String> captions = entry.isTextual() ? List.of(entry.asText()) : strings(entry, CAPTIONS);
        String tags = String.join(", ", strings(entry, List.of("tags"))).strip();
        List<String> all = tags.isEmpty()
                ? captions
                : captions.isEmpty()
                        ? List.of(tags)
                        : captions.stream().map(c -> c + ", " + tags).toList();
        add(picture, all, entry.path(CaptionsFile.MARK).asBoolean());
    }

    /** Several entries of one picture are several captions. */
    private void add(String picture, List<String> texts, boolean whole) {
        if (texts.isEmpty()) {
            return;
        }
        String path = Normalizer.normalize(picture.strip(), Normalizer.Form.NFC)
                .replace('\\', '/')
                .replaceFirst("^(\\./)+", "");
        said.merge(path, new Said(path, texts, whole), Said::and);
        if (path.startsWith("/") || path.matches("[A-Za-z]:/.*")) {
            absolute.computeIfAbsent(lastOf(path), k -> new TreeSet<>()).add(path);
        }
    }

    /** The strings under the first of {@code keys} that is there. */
    private static List<String> strings(JsonNode entry, List<String> keys) {
        for (String key : keys) {
            JsonNode value = entry.path(key);
            if (value.isTextual()) {
                return List.of(value.asText());
            }
            if (value.isArray() && !value.isEmpty()) {
                return StreamSupport.stream(value.spliterator(), false)
                        .map(JsonNode::asText)
                        .toList();
            }
        }
        return List.of();
    }

    private void csv(String text) throws CaptionText.NoTextException {
        List<List<String>> rows = rows(text);
        List<String> head = rows.isEmpty()
                ? List.of()
                : rows.get(0).stream().map(String::strip).toList();
        int picture = column(head, PICTURES);
        int caption = column(head, CAPTIONS);
        if (picture < 0 || caption < 0) {
            return;
        }
        for (List<String> row : rows.subList(1, rows.size())) {
            if (row.size() > Math.max(picture, caption)) {
                add(row.get(picture), List.of(row.get(caption)), false);
            } else if (!String.join("", row).isBlank()) {
                throw new CaptionText.NoTextException("must have a cell for each of %s in every row, but has \"%s\""
                        .formatted(String.join(", ", head), String.join(",", row)));
            }
        }
    }

    private static int column(List<String> head, List<String> names) {
        return names.stream().map(head::indexOf).filter(i -> i >= 0).findFirst().orElse(-1);
    }

    /** RFC 4180: a cell in quotes may hold commas, line ends and doubled quotes. */
    private static List<List<String>> rows(String text) throws CaptionText.NoTextException {
        List<List<String>> rows = new ArrayList<>();
        List<String> row = new ArrayList<>();
        StringBuilder cell = new StringBuilder();
        boolean quoted = false;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (quoted) {
                if (c != '"') {
                    cell.append(c);
                } else if (i + 1 < text.length() && text.charAt(i + 1) == '"') {
                    cell.append('"');
                    i++;
                } else {
                    quoted = false;
                }
            } else if (c == '"' && cell.isEmpty()) {
                quoted = true;
            } else if (c == ',' || c == '\n') {
                row.add(cell.toString());
                cell.setLength(0);
                if (c == '\n') {
                    rows.add(row);
                    row = new ArrayList<>();
                }
            } else if (c != '\r') {
                cell.append(c);
            }
        }
        if (quoted) {
            throw new CaptionText.NoTextException(
                    "must close every quote, but that of row %d stays open".formatted(rows.size() + 1));
        }
        if (!cell.isEmpty() || !row.isEmpty()) {
            row.add(cell.toString());
            rows.add(row);
        }
        return rows;
    }

    /**
     * What is said of {@code picture}; null if nothing is. A path from the file's folder must be the picture's; of one that
     * is absolute only the end can be known.
     *
     * @throws CaptionText.NoTextException if several entries may be meant; the message follows the file's name
     */
    @Nullable Said of(DataFolder.Entry picture) throws CaptionText.NoTextException {
        if (!picture.name().startsWith(file.folder())) {
            return null;
        }
        String path = picture.name().substring(file.folder().length());
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
            throw new CaptionText.NoTextException(
                    "has several entries that may be %s: %s".formatted(picture.name(), String.join(", ", meant)));
        }
        return meant.isEmpty() ? null : said.get(meant.get(0));
    }

    private static String stem(String name) {
        int dot = name.lastIndexOf('.');
        return dot <= name.lastIndexOf('/') + 1 ? name : name.substring(0, dot);
    }

    DataFolder.Entry file() {
        return file;
    }

    /** Whether it says anything of a picture. */
    boolean captions() {
        return !said.isEmpty();
    }

    /** What it should hold, and doesn't; follows its name. */
    static String wanted() {
        return "says nothing of pictures: no picture (%s) with its caption (%s) was found in it; a .csv has commas between its columns"
                .formatted(String.join(", ", PICTURES), String.join(", ", CAPTIONS));
    }

    /** The pictures that it speaks of, as it has them. */
    Set<String> pictures() {
        return Set.copyOf(said.keySet());
    }

    /** Names of {@code files}, for messages. */
    static String names(List<CaptionTable> tables) {
        return tables.stream().map(t -> t.file.name()).collect(Collectors.joining(", "));
    }
}
