package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.CaptionTables;
import training.lora.trainer.files.DataFiles;
import training.lora.trainer.files.FileName;
import training.lora.trainer.files.NoTextException;
import training.lora.trainer.files.SystemFiles;
import training.lora.trainer.files.TextFile;

/** What lies in folders of pictures that are here. */
final class KohyaFolders {
    /** Options that name a table of captions. */
    static final List<String> TABLES = List.of("in_json", "metadata_file");

    private KohyaFolders() {}

    /** How many captions of pictures lie in a folder; -1 where it isn't here. */
    static int captions(Places places, Findings findings, String key, String text) {
        Path folder = here(places, findings, key, text);
        List<Path> files = folder == null ? null : files(folder);
        return files == null ? -1 : captions(files).size();
    }

    /** The folder that {@code text} names; null where it isn't here. */
    static @Nullable Path here(Places places, Findings findings, String key, String text) {
        Path folder = Places.isAddress(text) ? null : places.path(findings, key, text);
        return folder == null || !Files.isDirectory(folder) ? null : folder;
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
        Path folder = here(places, findings, key, text);
        List<Path> files = folder == null ? null : files(folder);
        if (files == null) {
            return true;
        }
        Set<String> captioned = captions(files).stream().map(KohyaFolders::stem).collect(Collectors.toSet());
        return files.stream().filter(DataFiles::isPictureAndNoMask).anyMatch(file -> !captioned.contains(stem(file)));
    }

    /** The files of captions of pictures in {@code folder}, by their names; none where it can't be read. */
    static List<Path> captionFiles(Path folder) {
        List<Path> files = files(folder);
        return files == null ? List.of() : captions(files);
    }

    /** The files in {@code folder} that are called as tables of captions are; none where it can't be read. */
    static List<Path> tables(Path folder) {
        List<Path> files = files(folder);
        return files == null
                ? List.of()
                : files.stream().filter(KohyaFolders::isTable).toList();
    }

    /**
     * Those of {@code files} that are captions of others of them. Which of these are pictures their content tells when they are
     * prepared, not their names.
     */
    private static List<Path> captions(List<Path> files) {
        Set<String> others = files.stream()
                .filter(file -> !DataFiles.isCaption(file) && !isTable(file))
                .map(KohyaFolders::stem)
                .collect(Collectors.toSet());
        return files.stream()
                .filter(file -> DataFiles.isCaption(file) && others.contains(stem(file)))
                .toList();
    }

    private static boolean isTable(Path file) {
        return CaptionTables.isOne(FileName.of(file));
    }

    /** Names that differ in case alone may belong together. */
    private static String stem(Path file) {
        return FileName.stem(file).toLowerCase(Locale.ROOT);
    }

    /** The files in {@code folder} but for those that systems leave there, by their names; null where it can't be read. */
    private static @Nullable List<Path> files(Path folder) {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> !SystemFiles.isOne(FileName.of(file)) && Files.isRegularFile(file))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            return null;
        }
    }

    /** How many pictures lie in {@code folder}; -1 where it can't be read. */
    private static int count(Path folder) {
        List<Path> files = files(folder);
        return files == null
                ? -1
                : (int) files.stream().filter(DataFiles::isPictureAndNoMask).count();
    }

    /** Pictures of an epoch; null where they can't be counted. Regularization pictures count as many again, as there. */
    static @Nullable Integer pictures(Draft draft, Places places) {
        int pictures = 0;
        boolean regularized = false;
        for (JsonNode dataset : draft.at("datasets")) {
            String uri = dataset.path("uri").asText();
            int count = Places.isAddress(uri) ? -1 : count(places.to().resolve(uri));
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
