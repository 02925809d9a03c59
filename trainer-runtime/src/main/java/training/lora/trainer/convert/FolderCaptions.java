package training.lora.trainer.convert;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import training.lora.trainer.convert.PictureFolder.Found;
import training.lora.trainer.files.CaptionEntries;
import training.lora.trainer.files.CaptionTable;
import training.lora.trainer.files.NoTextException;

/** The captions of a folder's pictures, in tables and in files beside them, as they are read when they are prepared. */
final class FolderCaptions {
    /** Of pictures of which content tells whether they can be decoded: others are left out when they are prepared. */
    private static final Set<String> OF_MANY_KINDS = Set.of("tif", "tiff", "pbm", "pgm", "ppm", "pnm");

    private final PictureFolder folder;
    private final Map<Found, CaptionTable> tables = new LinkedHashMap<>();
    private final List<Caption> all = new ArrayList<>();

    /** The texts of files beside pictures. */
    private final Map<Found, String> files = new HashMap<>();

    /**
     * A caption.
     *
     * @param file the file that has it
     * @param ofTable whether that has those of other pictures too
     */
    record Caption(Found file, String text, boolean ofTable) {
        /** Its lines that aren't blank. */
        List<String> lines() {
            return text.lines().filter(line -> !line.isBlank()).toList();
        }
    }

    private FolderCaptions(PictureFolder folder) {
        this.folder = folder;
    }

    /**
     * Reads them.
     *
     * @param tables those that are read
     * @throws training.lora.trainer.TrainerException InvalidConfiguration where a file is no text, or a table is none
     */
    static FolderCaptions read(Findings findings, PictureFolder folder, List<Found> tables) {
        FolderCaptions captions = new FolderCaptions(folder);
        for (Found file : tables) {
            CaptionTable table = table(findings, file);
            captions.tables.put(file, table);
            for (CaptionEntries.Entry entry : table.entries()) {
                entry.texts().forEach(text -> captions.all.add(new Caption(file, text, true)));
            }
        }
        for (Found file : folder.captions()) {
            String text = ConfigText.text(file.path());
            captions.files.put(file, text);
            captions.all.add(new Caption(file, text, false));
        }
        return captions;
    }

    private static CaptionTable table(Findings findings, Found file) {
        try {
            return CaptionTable.read(file.path(), file.name());
        } catch (NoTextException e) {
            throw findings.invalid(
                    "%s %s; what isn't meant as a table of captions must have another name or lie elsewhere"
                            .formatted(file.path(), e.getMessage()));
        } catch (IOException e) {
            throw findings.invalid("%s must be a file that can be read: %s"
                    .formatted(file.path(), Objects.requireNonNullElse(e.getMessage(), "it can't")));
        }
    }

    /** All of them: those of tables first. */
    List<Caption> all() {
        return List.copyOf(all);
    }

    /** Whether {@code table}, one that was read, has the caption of a picture. */
    boolean hasCaptions(Found table) {
        CaptionTable read = tables.get(table);
        return read != null && read.captions();
    }

    /** The pictures that no table has an entry of. */
    List<Found> picturesWithoutEntry(Findings findings) {
        return folder.pictures().stream()
                .filter(picture -> tablesOf(findings, picture).isEmpty())
                .toList();
    }

    /** Whether there is a picture that no table has an entry of, nor a file a caption that isn't blank. */
    boolean pictureLacksCaption(Findings findings) {
        return picturesWithoutEntry(findings).stream().anyMatch(picture -> folder.captions(picture).stream()
                .allMatch(file -> files.getOrDefault(file, "").isBlank()));
    }

    /** The tables with an entry of {@code picture}. */
    private List<String> tablesOf(Findings findings, Found picture) {
        List<String> having = new ArrayList<>();
        tables.forEach((file, table) -> {
            try {
                if (table.of(picture.name()) != null) {
                    having.add(file.name());
                }
            } catch (NoTextException e) {
                throw findings.invalid(file.path() + " " + e.getMessage());
            }
        });
        return having;
    }

    /**
     * Refuses pictures with several captions and captions of several pictures, as prepare does, which alone knows that of pictures
     * that may not be decoded.
     *
     * @param options those of which {@code key} names the folder
     */
    void requireOne(Options options, String key) {
        Map<String, Found> named = new HashMap<>();
        for (Found picture : folder.pictures()) {
            boolean certain = !picture.needsLibheif() && !OF_MANY_KINDS.contains(picture.extension());
            Found other = !certain ? null : named.putIfAbsent(picture.stem(), picture);
            if (other != null) {
                throw options.wrong(
                        key,
                        "have pictures that differ in their names without extension, but %s and %s don't"
                                .formatted(other.name(), picture.name()));
            }
            List<String> having = tablesOf(options.findings(), picture);
            folder.captions(picture).forEach(file -> having.add(file.name()));
            if (having.size() > 1) {
                throw options.wrong(
                        key,
                        "have one caption for each picture, but %s has several, in %s"
                                .formatted(picture.name(), String.join(" and ", having)));
            }
        }
    }

    /**
     * Refuses captions with what stands for the words that call a concept here.
     *
     * @param options those of which {@code key} names the folder
     */
    void requireWithout(Placeholders placeholders, Options options, String key) {
        for (Caption caption : all) {
            String found = placeholders.in(caption.text());
            if (found != null) {
                throw options.wrong(
                        key,
                        "have captions %s, but %s has it"
                                .formatted(
                                        Placeholders.without(found),
                                        caption.file().name()));
            }
        }
    }

    /** The files that have {@code captions}, each once. */
    static List<Found> files(List<Caption> captions) {
        return captions.stream().map(Caption::file).distinct().toList();
    }
}
