package training.lora.trainer.convert;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.WholeWords;
import training.lora.trainer.files.CaptionEntries;
import training.lora.trainer.files.NoTextException;

/**
 * Reads the captions of a data set once: those of tables that it names, and those in files beside its pictures.
 *
 * @param dataset the data set, which has an image_dir
 * @param placeholders what no caption may have
 * @param token the word whose absence is told; null where there is none
 */
record KohyaCaptions(
        Options dataset,
        Places places,
        Placeholders placeholders,
        @Nullable String token) {
    /** Whether captions are a table's, beside which words for pictures without one mean nothing. */
    static boolean haveTable(Options dataset) {
        return KohyaFolders.TABLES.stream().anyMatch(key -> dataset.text(key) != null);
    }

    /** Tables in its folder that it doesn't name, which are not read there; none where the folder isn't here. */
    static List<Path> unnamed(Options dataset, Places places) {
        Path folder = folder(dataset, places);
        if (folder == null) {
            return List.of();
        }
        Set<Path> named = KohyaFolders.TABLES.stream()
                .filter(key -> dataset.text(key) != null)
                .map(key -> places.path(dataset.findings(), key, dataset.text(key, "")))
                .collect(Collectors.toSet());
        return KohyaFolders.tables(folder).stream()
                .filter(table -> !named.contains(table))
                .toList();
    }

    private static @Nullable Path folder(Options dataset, Places places) {
        return KohyaFolders.here(
                places, dataset.findings(), dataset.written("image_dir"), dataset.text("image_dir", ""));
    }

    /**
     * Reads them all, up to the first that is refused.
     *
     * @param unnamed whether tables that it doesn't name are read too
     * @return whether one of them lacks the token
     * @throws training.lora.trainer.TrainerException InvalidConfiguration where one has a placeholder, a file is no text, or a
     *     table is none
     */
    boolean lack(boolean unnamed) {
        boolean lacking = false;
        for (String key : KohyaFolders.TABLES) {
            String table = dataset.text(key);
            if (table != null) {
                Path file = places.path(dataset.findings(), key, table);
                lacking |= lack(file, entries(file, "`%s` must be a table of captions, but %s".formatted(key, file)));
            }
        }
        if (unnamed) {
            for (Path table : unnamed(dataset, places)) {
                List<CaptionEntries.Entry> entries =
                        entries(table, table + " must be a table of captions, or lie elsewhere, but");
                if (!entries.isEmpty()) {
                    dataset.findings().differs("captions of %s are read, which no option names".formatted(table));
                }
                lacking |= lack(table, entries);
            }
        }
        Path folder = folder(dataset, places);
        if (folder == null) {
            dataset.findings()
                    .note(
                            "captions that aren't here to be read must have no %s: here that stands for the words that call a concept"
                                    .formatted(String.join(" and no ", placeholders.all())));
            return lacking;
        }
        for (Path file : KohyaFolders.captionFiles(folder)) {
            lacking |= lacks(file, KohyaFolders.text(file));
        }
        return lacking;
    }

    private boolean lack(Path table, List<CaptionEntries.Entry> entries) {
        boolean lacking = false;
        for (CaptionEntries.Entry entry : entries) {
            for (String text : entry.texts()) {
                lacking |= lacks(table, text);
            }
        }
        return lacking;
    }

    private boolean lacks(Path file, String text) {
        String found = placeholders.in(text);
        if (found != null) {
            throw dataset.wrong(
                    "image_dir",
                    "have captions %s, but %s has it".formatted(Placeholders.without(found), file.getFileName()));
        }
        return token != null && !WholeWords.in(text, token);
    }

    /** @param problem begins the sentence that refuses it */
    private List<CaptionEntries.Entry> entries(Path table, String problem) {
        try {
            return CaptionEntries.read(table);
        } catch (NoTextException e) {
            throw dataset.findings().invalid(problem + " " + e.getMessage());
        } catch (IOException e) {
            throw dataset.findings()
                    .invalid("%s must be a file that can be read: %s"
                            .formatted(table, Objects.requireNonNullElse(e.getMessage(), "it can't")));
        }
    }
}
