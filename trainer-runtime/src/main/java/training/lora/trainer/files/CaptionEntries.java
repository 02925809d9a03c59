package training.lora.trainer.files;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;

/**
 * Reads the captions of many pictures in one file: metadata.csv or metadata.jsonl as datasets on the Hugging Face Hub have it
 * ({@code file_name} and {@code text}), metadata.json as kohya's scripts write it (an entry for each picture, with
 * {@code caption} and {@code tags}), or the same as lines.
 */
public final class CaptionEntries {
    /** Says of an entry that prepare wrote it. */
    public static final String PREPARED = "prepared";

    private static final List<String> PICTURES = List.of("file_name", "image_path", "image", "file");

    private static final List<String> CAPTIONS = List.of("text", "caption", "captions", "prompt");

    /** Reads what Python's json writes: NaN and Infinity too. */
    private static final ObjectMapper JSON = JsonMapper.builder()
            .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
            .build();

    private final List<Entry> all = new ArrayList<>();

    private CaptionEntries() {}

    /**
     * What is said of a picture.
     *
     * @param picture the picture's path, as the file has it
     * @param texts one or several captions
     * @param whole whether prepare wrote it, with the concept's words in it
     */
    public record Entry(String picture, List<String> texts, boolean whole) {
        public Entry {
            texts = List.copyOf(texts);
        }
    }

    /**
     * The entries of {@code file} that have a caption, in their order; a picture may have several.
     *
     * @throws NoTextException if it is no such file; the message follows its name
     */
    public static List<Entry> read(Path file) throws IOException, NoTextException {
        String text = TextFile.read(file);
        String extension = FileName.extension(file);
        CaptionEntries entries = new CaptionEntries();
        try {
            switch (extension) {
                case "csv" -> entries.csv(text);
                case "jsonl" -> entries.lines(text.lines().toList());
                default -> {
                    JsonNode root = json(text, "has more behind its JSON, in line %d; JSON in lines is a .jsonl");
                    if (root.isArray()) {
                        root.forEach(entry -> entries.entry(null, entry));
                    } else {
                        root.fields().forEachRemaining(entry -> entries.entry(entry.getKey(), entry.getValue()));
                    }
                }
            }
        } catch (JsonProcessingException e) {
            throw new NoTextException("is no " + extension.toUpperCase(Locale.ROOT) + ": " + Json.problem(e));
        }
        return entries.all;
    }

    /**
     * The one value that {@code text} is; a missing one where it is blank.
     *
     * @param problem what is said where more follows it, in which line
     */
    private static JsonNode json(String text, String problem) throws IOException, NoTextException {
        try (JsonParser parser = JSON.createParser(text)) {
            JsonNode value = parser.readValueAsTree();
            if (value == null) {
                return MissingNode.getInstance();
            }
            if (parser.nextToken() != null) {
                throw new NoTextException(
                        problem.formatted(parser.currentTokenLocation().getLineNr()));
            }
            return value;
        }
    }

    private void lines(List<String> lines) throws IOException, NoTextException {
        for (int i = 0; i < lines.size(); i++) {
            if (!lines.get(i).isBlank()) {
                try {
                    entry(null, json(lines.get(i), "has more behind the JSON of line " + (i + 1)));
                } catch (JsonProcessingException e) {
                    throw new NoTextException("has no JSON in line %d: %s"
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
        add(
                picture,
                tags.isEmpty() ? captions : tagged(captions, tags),
                entry.path(PREPARED).asBoolean());
    }

    /** Captions with tags behind them; those that are blank are none. */
    private static List<String> tagged(List<String> captions, String tags) {
        List<String> tagged = captions.stream()
                .filter(caption -> !caption.isBlank())
                .map(caption -> caption + ", " + tags)
                .toList();
        return tagged.isEmpty() ? List.of(tags) : tagged;
    }

    private void add(String picture, List<String> texts, boolean whole) {
        if (!texts.isEmpty()) {
            all.add(new Entry(picture, texts, whole));
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

    private void csv(String text) throws NoTextException {
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
            if (row.size() > head.size() && row.stream().skip(head.size()).anyMatch(cell -> !cell.isBlank())) {
                throw new NoTextException(
                        "must have no more cells in a row than %s, but has \"%s\": a cell with commas stands in quotes, without spaces around them"
                                .formatted(String.join(", ", head), String.join(",", row)));
            } else if (row.size() > Math.max(picture, caption)) {
                add(row.get(picture), List.of(row.get(caption)), false);
            } else if (!String.join("", row).isBlank()) {
                throw new NoTextException("must have a cell for each of %s in every row, but has \"%s\""
                        .formatted(String.join(", ", head), String.join(",", row)));
            }
        }
    }

    private static int column(List<String> head, List<String> names) {
        return names.stream().map(head::indexOf).filter(i -> i >= 0).findFirst().orElse(-1);
    }

    /** RFC 4180: a cell in quotes may hold commas, line ends and doubled quotes. */
    private static List<List<String>> rows(String text) throws NoTextException {
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
            throw new NoTextException(
                    "must close every quote, but that of row %d stays open".formatted(rows.size() + 1));
        }
        if (!cell.isEmpty() || !row.isEmpty()) {
            row.add(cell.toString());
            rows.add(row);
        }
        return rows;
    }

    /** What such a file should hold where it holds nothing; follows its name. */
    public static String wanted() {
        return "says nothing of pictures: no picture (%s) with its caption (%s) was found in it; a .csv has commas between its columns"
                .formatted(String.join(", ", PICTURES), String.join(", ", CAPTIONS));
    }
}
