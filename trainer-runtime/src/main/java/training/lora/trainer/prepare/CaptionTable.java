package training.lora.trainer.prepare;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.text.Normalizer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;

/**
 * The captions of many pictures in one file: metadata.csv or metadata.jsonl as datasets on the Hugging Face Hub have it
 * ({@code file_name} and {@code text}), metadata.json as kohya's scripts write it (an entry for each picture, with
 * {@code caption} and {@code tags}), or the same as lines.
 *
 * @param file the file
 * @param texts captions by the picture's path from the file's folder, with or without its extension
 */
record CaptionTable(DataFolder.Entry file, Map<String, List<String>> texts) {
    /** What prepare writes beside the pictures that it makes. */
    static final String PREPARED = "captions.jsonl";

    private static final Set<String> NAMES = Set.of(PREPARED, "metadata.json", "metadata.jsonl", "metadata.csv");

    private static final List<String> PICTURES = List.of("file_name", "image_path", "image", "file");

    private static final List<String> CAPTIONS = List.of("text", "caption", "captions", "prompt");

    /** Whether {@code file} is called as such files are. */
    static boolean isCalled(DataFolder.Entry file) {
        return NAMES.contains(lastOf(file.name()).toLowerCase(Locale.ROOT));
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
        Map<String, List<String>> texts = new HashMap<>();
        try {
            switch (file.extension()) {
                case "csv" -> csv(text, texts);
                case "jsonl" -> {
                    for (String line : text.lines().filter(l -> !l.isBlank()).toList()) {
                        entry(null, Json.MAPPER.readTree(line), texts);
                    }
                }
                default -> {
                    JsonNode root = Json.MAPPER.readTree(text);
                    if (root.isArray()) {
                        root.forEach(entry -> entry(null, entry, texts));
                    } else {
                        root.fields().forEachRemaining(entry -> entry(entry.getKey(), entry.getValue(), texts));
                    }
                }
            }
        } catch (JsonProcessingException e) {
            throw new CaptionText.NoTextException(
                    "is no " + file.extension().toUpperCase(Locale.ROOT) + ": " + Json.problem(e));
        }
        return new CaptionTable(file, texts);
    }

    private static void entry(@Nullable String name, JsonNode entry, Map<String, List<String>> texts) {
        String picture = name != null
                ? name
                : strings(entry, PICTURES).stream().findFirst().orElse(null);
        if (picture == null) {
            return;
        }
        List<String> captions = entry.isTextual() ? List.of(entry.asText()) : strings(entry, CAPTIONS);
        String tags = entry.path("tags").asText().strip();
        List<String> all = tags.isEmpty()
                ? captions
                : captions.isEmpty()
                        ? List.of(tags)
                        : captions.stream().map(c -> c + ", " + tags).toList();
        if (!all.isEmpty()) {
            texts.put(key(picture), all);
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

    private static void csv(String text, Map<String, List<String>> texts) {
        List<List<String>> rows = rows(text);
        List<String> head = rows.isEmpty()
                ? List.of()
                : rows.get(0).stream().map(String::strip).toList();
        int picture = column(head, PICTURES);
        int caption = column(head, CAPTIONS);
        if (picture >= 0 && caption >= 0) {
            rows.stream()
                    .skip(1)
                    .filter(row -> row.size() > Math.max(picture, caption))
                    .forEach(row -> texts.put(key(row.get(picture)), List.of(row.get(caption))));
        }
    }

    private static int column(List<String> head, List<String> names) {
        return names.stream().map(head::indexOf).filter(i -> i >= 0).findFirst().orElse(-1);
    }

    /** RFC 4180: a cell in quotes may hold commas, line ends and doubled quotes. */
    private static List<List<String>> rows(String text) {
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
        if (!cell.isEmpty() || !row.isEmpty()) {
            row.add(cell.toString());
            rows.add(row);
        }
        return rows;
    }

    /** A path as {@link #of} looks for it: one that is absolute is of another machine, and only its last name is known. */
    private static String key(String path) {
        String slashed = Normalizer.normalize(path.strip(), Normalizer.Form.NFC).replace('\\', '/');
        boolean absolute = slashed.startsWith("/") || slashed.matches("[A-Za-z]:/.*");
        return absolute ? lastOf(slashed) : slashed.replaceFirst("^(\\./)+", "");
    }

    /** The captions of {@code picture}; empty if it has none here. */
    List<String> of(DataFolder.Entry picture) {
        if (!picture.name().startsWith(file.folder())) {
            return List.of();
        }
        String path = picture.name().substring(file.folder().length());
        String last = lastOf(path);
        return Stream.of(path, stem(path), last, stem(last))
                .map(texts::get)
                .filter(found -> found != null)
                .findFirst()
                .orElse(List.of());
    }

    private static String stem(String name) {
        int dot = name.lastIndexOf('.');
        return dot <= name.lastIndexOf('/') + 1 ? name : name.substring(0, dot);
    }

    /** Whether prepare wrote it, with the concept's words in it. */
    boolean prepared() {
        return lastOf(file.name()).equals(PREPARED);
    }

    /** Whether it says anything of a picture. */
    boolean captions() {
        return !texts.isEmpty();
    }

    /** Names of {@code files}, for messages. */
    static String names(List<CaptionTable> tables) {
        return tables.stream().map(t -> t.file().name()).collect(Collectors.joining(", "));
    }
}
