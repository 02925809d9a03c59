package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.CaptionEntries;
import training.lora.trainer.files.DataFiles;
import training.lora.trainer.files.FileName;
import training.lora.trainer.files.NoTextException;
import training.lora.trainer.files.TextFile;

/** What lies in folders of pictures that are here. */
final class KohyaFolders {
    /** Options that name a table of captions. */
    static final List<String> TABLES = List.of("in_json", "metadata_file");

    private KohyaFolders() {}

    /** How many captions lie in a folder; -1 where it isn't here. */
    static int captions(Places places, Findings findings, String key, String text) {
        return Places.isAddress(text) ? -1 : count(places.path(findings, key, text), DataFiles::isCaption);
    }

    /**
     * The captions of a data set, by the files that they stand in: those of tables that it names and those beside its pictures;
     * none of a folder that isn't here.
     *
     * @throws TrainerException InvalidConfiguration where a file is no text, or no table
     */
    static Map<Path, List<String>> texts(Places places, Options dataset, String folder) {
        Map<Path, List<String>> texts = new LinkedHashMap<>();
        for (String key : TABLES) {
            String table = dataset.text(key);
            if (table != null) {
                Path file = places.path(dataset.findings(), key, table);
                texts.put(file, ofTable(file, dataset, key));
            }
        }
        if (texts.isEmpty() && !Places.isAddress(folder)) {
            captionFiles(places.path(dataset.findings(), dataset.written("image_dir"), folder))
                    .forEach(file -> texts.put(file, List.of(text(file))));
        }
        return texts;
    }

    private static List<String> ofTable(Path table, Options dataset, String key) {
        try {
            return CaptionEntries.read(table).stream()
                    .flatMap(entry -> entry.texts().stream())
                    .toList();
        } catch (NoTextException e) {
            throw dataset.findings()
                    .invalid("`%s` must be a table of captions, but %s %s".formatted(key, table, e.getMessage()));
        } catch (IOException e) {
            throw dataset.wrong(key, "be a file that can be read");
        }
    }

    /** The caption in {@code file}. */
    static String text(Path file) {
        try {
            return TextFile.read(file);
        } catch (NoTextException e) {
            throw new TrainerException(Reason.InvalidConfiguration, file + " " + e.getMessage());
        } catch (IOException e) {
            throw new TrainerException(Reason.InvalidConfiguration, file + " must be a file that can be read", e);
        }
    }

    /** Whether there are, or where the folder isn't here may be, pictures in it without a caption. */
    static boolean bare(Places places, Findings findings, String key, String text) {
        Path folder = Places.isAddress(text) ? null : places.path(findings, key, text);
        if (folder == null || !Files.isDirectory(folder)) {
            return true;
        }
        Set<String> captioned =
                captionFiles(folder).stream().map(FileName::stem).collect(Collectors.toSet());
        List<Path> pictures = files(folder, DataFiles::isPicture);
        return pictures == null || pictures.stream().anyMatch(file -> !captioned.contains(FileName.stem(file)));
    }

    /** The files of captions in {@code folder}, by their names; none where it can't be read. */
    static List<Path> captionFiles(Path folder) {
        List<Path> files = files(folder, DataFiles::isCaption);
        return files == null
                ? List.of()
                : files.stream().filter(Files::isRegularFile).sorted().toList();
    }

    /** How many such files lie in it; -1 where it isn't here. */
    private static int count(Path folder, Predicate<Path> kind) {
        List<Path> files = files(folder, kind);
        return files == null ? -1 : files.size();
    }

    /** What of that kind lies in {@code folder}; null where it can't be read. */
    private static @Nullable List<Path> files(Path folder, Predicate<Path> kind) {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(kind).toList();
        } catch (IOException e) {
            return null;
        }
    }

    /** Pictures of an epoch; null where they can't be counted. Regularization pictures count as many again, as there. */
    static @Nullable Integer pictures(Draft draft, Places places) {
        int pictures = 0;
        boolean regularized = false;
        for (JsonNode dataset : draft.at("datasets")) {
            String uri = dataset.path("uri").asText();
            int count = Places.isAddress(uri) ? -1 : count(places.to().resolve(uri), DataFiles::isPicture);
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
