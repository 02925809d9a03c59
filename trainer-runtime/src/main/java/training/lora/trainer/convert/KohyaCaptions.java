package training.lora.trainer.convert;

import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.WholeWords;
import training.lora.trainer.convert.FolderCaptions.Caption;
import training.lora.trainer.convert.PictureFolder.Found;

/** The captions of a data set that is here: those of tables, and those in files beside its pictures. */
final class KohyaCaptions {
    private final Options dataset;
    private final Findings findings;
    private final String place;
    private final PictureFolder content;
    private final FolderCaptions captions;
    private final List<Found> unnamedTables;

    private KohyaCaptions(
            KohyaFolder folder, PictureFolder content, FolderCaptions captions, List<Found> unnamedTables) {
        this.dataset = folder.dataset();
        this.findings = dataset.findings();
        this.place = folder.place();
        this.content = content;
        this.captions = captions;
        this.unnamedTables = unnamedTables;
    }

    /**
     * Reads them; null where {@code folder} isn't here.
     *
     * @param unnamed whether tables that no option names are read too
     * @throws training.lora.trainer.TrainerException InvalidConfiguration where a file is no text, or a table is none
     */
    static @Nullable KohyaCaptions read(KohyaFolder folder, PictureFolders folders, boolean unnamed) {
        PictureFolder content = folder.content();
        if (content == null) {
            return null;
        }
        List<Found> others = unnamed ? folder.unnamedTables() : List.of();
        List<Found> tables = content.tables().stream()
                .filter(table -> unnamed || folder.namedTables().contains(table))
                .toList();
        return new KohyaCaptions(folder, content, folders.captions(content, tables), others);
    }

    /** Says what captions that aren't here must be without. */
    static void noteUnread(Findings findings, Placeholders placeholders) {
        if (!placeholders.all().isEmpty()) {
            findings.note(
                    "captions that aren't here to be read must have no %s: here that stands for the words that call a concept"
                            .formatted(String.join(" and no ", placeholders.all())));
        }
    }

    /**
     * Refuses what prepare would refuse or read in another way.
     *
     * @param placeholders what no caption may have
     * @throws training.lora.trainer.TrainerException InvalidConfiguration where one has a placeholder, or a picture has several
     */
    void require(Placeholders placeholders) {
        captions.requireWithout(placeholders, dataset, "image_dir");
        captions.requireOne(dataset, "image_dir");
    }

    /** Says which captions are read, and how, here alone. */
    void tellDifferences() {
        FolderRules.tellTables(findings, captions, unnamedTables);
        if (KohyaFolder.hasTable(dataset)) {
            tellWithoutEntry();
        } else {
            FolderRules.tellCaptions(findings, content, place, extension());
        }
        tellLines(captions.all());
    }

    /** What captions' files end with there. */
    private String extension() {
        return Stream.concat(KohyaTokens.EXTENSIONS.stream().map(dataset::text), Stream.of("caption"))
                .filter(Objects::nonNull)
                .findFirst()
                .orElseThrow()
                .replaceFirst("^\\.", "");
    }

    private void tellWithoutEntry() {
        List<Found> pictures = captions.picturesWithoutEntry(findings);
        if (!pictures.isEmpty()) {
            findings.differs("pictures of %s are learned too that the table of captions leaves out (%s)"
                    .formatted(place, FolderRules.some(pictures)));
        }
    }

    /** There the first line counts, or with wildcards one is drawn, and words around a caption stand before and behind all. */
    private void tellLines(List<Caption> all) {
        List<Caption> several = all.stream()
                .filter(caption -> caption.text().lines().skip(1).anyMatch(line -> !line.isBlank()))
                .toList();
        if (!dataset.flag("enable_wildcard", false)) {
            tell("all lines of a caption are read, and not the first alone (%s)", several);
            return;
        }
        tell(
                "a caption of several lines in a table is one, and not several of which one is drawn (%s)",
                several.stream().filter(Caption::ofTable).toList());
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

    private void tell(String difference, List<Caption> of) {
        if (!of.isEmpty()) {
            findings.differs(difference.formatted(FolderRules.some(FolderCaptions.files(of))));
        }
    }

    /** Whether there is one without the word {@code token}. */
    boolean lack(String token) {
        return captions.all().stream().anyMatch(caption -> lacks(caption, token));
    }

    /** With wildcards each line of a file is a caption of its own, which gets the token where it lacks it. */
    private boolean lacks(Caption caption, String token) {
        List<String> alone = !caption.ofTable() && dataset.flag("enable_wildcard", false)
                ? caption.lines()
                : List.of(caption.text());
        return alone.isEmpty() || alone.stream().anyMatch(text -> !WholeWords.in(text, token));
    }
}
