package training.lora.trainer.convert;

import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.WholeWords;
import training.lora.trainer.convert.FolderCaptions.Said;
import training.lora.trainer.convert.PictureFolder.Found;
import training.lora.trainer.files.FileName;

/**
 * The captions of a data set, read once: those of tables, and those in files beside its pictures.
 *
 * @param dataset the data set, which has an image_dir
 * @param folder that; null where it isn't here
 */
record KohyaCaptions(Options dataset, @Nullable PictureFolder folder) {
    /** Options that name a table of captions. */
    static final List<String> TABLES = List.of("in_json", "metadata_file");

    /** Of pictures there, two of them with more packages than it needs. */
    private static final FolderRules RULES =
            new FolderRules(List.of("png", "jpg", "jpeg", "webp", "bmp", "avif", "jxl"), false, false);

    static KohyaCaptions of(Options dataset, PictureFolders folders) {
        return new KohyaCaptions(dataset, folders.at(dataset.written("image_dir"), dataset.text("image_dir", "")));
    }

    /** Whether captions are a table's, beside which words for pictures without one mean nothing. */
    static boolean haveTable(Options dataset) {
        return TABLES.stream().anyMatch(key -> dataset.text(key) != null);
    }

    /** Whether no caption lies in its folder, which is here. */
    boolean none() {
        return folder != null && folder.captions().isEmpty();
    }

    /** Whether there are, or where its folder isn't here may be, pictures without a caption beside them. */
    boolean bare() {
        return folder == null || folder.bare();
    }

    /** Tables in its folder that it doesn't name, which are not read there; none where the folder isn't here. */
    List<Found> unnamed() {
        return tables(table -> !isNamed(table));
    }

    private List<Found> tables(Predicate<Found> wanted) {
        return folder == null
                ? List.of()
                : folder.tables().stream().filter(wanted).toList();
    }

    /** Whether an option names {@code table}: those that can be named lie in the folder itself. */
    private boolean isNamed(Found table) {
        Set<String> named = TABLES.stream()
                .map(dataset::text)
                .filter(Objects::nonNull)
                .map(text -> FileName.of(Path.of(text)))
                .collect(Collectors.toSet());
        return named.contains(table.name());
    }

    /** Says which of its pictures are learned here alone. */
    void tellPictures() {
        if (folder != null && !haveTable(dataset)) {
            RULES.tellPictures(dataset.findings(), folder, place());
        }
    }

    private String place() {
        return dataset.text("image_dir", "");
    }

    /**
     * Reads them all.
     *
     * @param tables whether tables that it doesn't name are read too
     * @param placeholders what none may have
     * @param token the word whose absence is told; null where there is none
     * @return whether one of them lacks the token
     * @throws training.lora.trainer.TrainerException InvalidConfiguration where one has a placeholder, a picture has several, a
     *     file is no text, or a table is none
     */
    boolean lack(boolean tables, Placeholders placeholders, @Nullable String token) {
        Findings findings = dataset.findings();
        if (folder == null) {
            if (!placeholders.all().isEmpty()) {
                findings.note(
                        "captions that aren't here to be read must have no %s: here that stands for the words that call a concept"
                                .formatted(String.join(" and no ", placeholders.all())));
            }
            return false;
        }
        FolderCaptions captions = FolderCaptions.read(findings, folder, tables(table -> tables || isNamed(table)));
        captions.requireWithout(placeholders, dataset, "image_dir");
        captions.requireOne(dataset, "image_dir");
        if (tables) {
            FolderRules.tellTables(findings, captions, unnamed());
        }
        if (haveTable(dataset)) {
            tellUnsaid(captions);
        } else {
            FolderRules.tellCaptions(findings, folder, place(), extension());
        }
        tellLines(captions.said());
        return token != null && captions.said().stream().anyMatch(caption -> lacks(caption, token));
    }

    /** What captions' files end with there. */
    private String extension() {
        return Stream.concat(KohyaTokens.EXTENSIONS.stream().map(dataset::text), Stream.of("caption"))
                .filter(Objects::nonNull)
                .findFirst()
                .orElseThrow()
                .replaceFirst("^\\.", "");
    }

    private void tellUnsaid(FolderCaptions captions) {
        List<Found> unsaid = captions.withoutEntry(dataset.findings());
        if (!unsaid.isEmpty()) {
            dataset.findings()
                    .differs("pictures of %s are learned too that the table of captions leaves out (%s)"
                            .formatted(place(), FolderRules.some(unsaid)));
        }
    }

    /** There the first line counts, or with wildcards one is drawn, and words around a caption stand before and behind all. */
    private void tellLines(List<Said> captions) {
        List<Said> several = captions.stream()
                .filter(caption -> caption.text().lines().skip(1).anyMatch(line -> !line.isBlank()))
                .toList();
        if (!dataset.flag("enable_wildcard", false)) {
            tell("all lines of a caption are read, and not the first alone (%s)", several);
            return;
        }
        tell(
                "a caption of several lines in a table is one, and not several of which one is drawn (%s)",
                several.stream().filter(Said::ofTable).toList());
        List<String> around = Stream.of("caption_prefix", "caption_suffix")
                .filter(key -> dataset.text(key) != null)
                .map(key -> "`" + key + "`")
                .toList();
        if (!around.isEmpty()) {
            tell(
                    String.join(" and ", around)
                            + " stand around each line of a caption, and not before the first and behind the last alone (%s)",
                    several.stream().filter(caption -> !caption.ofTable()).toList());
        }
    }

    private void tell(String difference, List<Said> captions) {
        if (!captions.isEmpty()) {
            dataset.findings().differs(difference.formatted(FolderRules.some(FolderCaptions.files(captions))));
        }
    }

    /** With wildcards each line of a file is a caption of its own, which gets the token where it lacks it. */
    private boolean lacks(Said caption, String token) {
        List<String> alone = !caption.ofTable() && dataset.flag("enable_wildcard", false)
                ? caption.lines()
                : List.of(caption.text());
        return alone.isEmpty() || alone.stream().anyMatch(text -> !WholeWords.in(text, token));
    }
}
