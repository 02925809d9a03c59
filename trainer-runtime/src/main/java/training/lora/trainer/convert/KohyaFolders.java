package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MappingIterator;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;

/** What lies in folders of pictures that are here. */
final class KohyaFolders {
    private static final List<String> CAPTIONS = List.of(".txt", ".caption");

    private static final List<String> PICTURES = List.of(".png", ".jpg", ".jpeg", ".webp", ".bmp");

    /** Options that name a table of captions. */
    static final List<String> TABLES = List.of("in_json", "metadata_file");

    /** Fields of a table's entry that its caption is made of. */
    private static final List<String> TEXTS = List.of("caption", "tags", "text");

    private KohyaFolders() {}

    /** How many captions lie in a folder; -1 where it isn't here. */
    static int captions(Places places, Findings findings, String key, String text) {
        return Places.isAddress(text) ? -1 : count(places.path(findings, key, text), CAPTIONS);
    }

    /** The captions in {@code table}, metadata.json or metadata.jsonl; none where it can't be read, which is said elsewhere. */
    static List<String> ofTable(Path table) {
        List<String> captions = new ArrayList<>();
        try (MappingIterator<JsonNode> values =
                Json.MAPPER.readerFor(JsonNode.class).readValues(Files.readString(table))) {
            boolean lines = table.getFileName().toString().endsWith("l");
            while (values.hasNextValue()) {
                JsonNode value = values.nextValue();
                (lines ? List.of(value) : (Iterable<JsonNode>) value::elements)
                        .forEach(entry -> captions.add(entry.properties().stream()
                                .filter(field -> TEXTS.contains(field.getKey()))
                                .map(field -> field.getValue().asText())
                                .collect(Collectors.joining(", "))));
            }
        } catch (IOException e) {
            return List.of();
        }
        return captions;
    }

    /** Whether there are, or where the folder isn't here may be, pictures in it without a caption. */
    static boolean bare(Places places, Findings findings, String key, String text) {
        Path folder = Places.isAddress(text) ? null : places.path(findings, key, text);
        if (folder == null || !Files.isDirectory(folder)) {
            return true;
        }
        Set<String> captioned =
                captionFiles(folder).stream().map(KohyaFolders::stem).collect(Collectors.toSet());
        List<Path> pictures = files(folder, PICTURES);
        return pictures == null || pictures.stream().anyMatch(file -> !captioned.contains(stem(file)));
    }

    private static String stem(Path file) {
        return file.getFileName().toString().replaceFirst("\\.[^.]*$", "");
    }

    /** The files of captions in {@code folder}, by their names; none where it can't be read. */
    static List<Path> captionFiles(Path folder) {
        List<Path> files = files(folder, CAPTIONS);
        return files == null
                ? List.of()
                : files.stream().filter(Files::isRegularFile).sorted().toList();
    }

    /** How many files with such endings lie in it; -1 where it isn't here. */
    private static int count(Path folder, List<String> endings) {
        List<Path> files = files(folder, endings);
        return files == null ? -1 : files.size();
    }

    /** What lies in {@code folder} with such endings; null where it can't be read. */
    private static @Nullable List<Path> files(Path folder, List<String> endings) {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> ends(file, endings)).toList();
        } catch (IOException e) {
            return null;
        }
    }

    private static boolean ends(Path file, List<String> endings) {
        return endings.stream().anyMatch(file.getFileName().toString().toLowerCase(Locale.ROOT)::endsWith);
    }

    /** Pictures of an epoch; null where they can't be counted. Regularization pictures count as many again, as there. */
    static @Nullable Integer pictures(Draft draft, Places places) {
        int pictures = 0;
        boolean regularized = false;
        for (JsonNode dataset : draft.at("datasets")) {
            String uri = dataset.path("uri").asText();
            int count = Places.isAddress(uri) ? -1 : count(places.to().resolve(uri), PICTURES);
            if (count < 0) {
                return null;
            }
            if (dataset.has("role")) {
                regularized = true;
            } else {
                pictures += count * dataset.path("repeats").asInt(1);
            }
        }
        return regularized ? 2 * pictures : pictures;
    }
}
