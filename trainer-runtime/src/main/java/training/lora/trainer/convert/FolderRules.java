package training.lora.trainer.convert;

import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.convert.PictureFolder.Found;
import training.lora.trainer.files.DataFiles;

/**
 * How a tool finds pictures and captions in a folder, where they are found by other rules here: all that can be decoded, in
 * folders below too, and captions of two extensions and in tables.
 *
 * @param formats extensions of the pictures that it knows; null where they are those that can be decoded here
 * @param below whether it reads folders below
 * @param masks whether it has masks beside pictures, called as here
 */
record FolderRules(@Nullable List<String> formats, boolean below, boolean masks) {
    /** How many files are named in a sentence. */
    private static final int NAMED = 3;

    FolderRules {
        formats = formats == null ? null : List.copyOf(formats);
    }

    /** Files' names, the first of many. */
    static String some(List<Found> files) {
        String named = files.stream().limit(NAMED).map(Found::name).collect(Collectors.joining(", "));
        return files.size() <= NAMED ? named : "%s and %d more".formatted(named, files.size() - NAMED);
    }

    /**
     * Says which pictures are learned here alone.
     *
     * @param place the folder, as the configuration has it
     */
    void tellPictures(Findings findings, PictureFolder folder, String place) {
        List<Found> below = folder.pictures().stream().filter(Found::isBelow).toList();
        if (!this.below && !below.isEmpty()) {
            findings.differs("pictures in folders below %s are learned too (%s)".formatted(place, some(below)));
        }
        List<String> known = formats;
        List<Found> odd = known == null
                ? List.of()
                : folder.pictures().stream()
                        .filter(picture -> this.below || !picture.isBelow())
                        .filter(picture -> !known.contains(picture.extension()))
                        .toList();
        if (known != null && !odd.isEmpty()) {
            findings.differs("pictures of %s are learned too that aren't called %s (%s)"
                    .formatted(place, String.join(", ", known), some(odd)));
        }
        if (!masks && !folder.masks().isEmpty()) {
            findings.differs("what is called NAME%s in %s is the mask of a picture, and none itself (%s)"
                    .formatted(DataFiles.MASK, place, some(folder.masks())));
        }
    }

    /**
     * Says which files of captions are read here alone.
     *
     * @param extension of those that are read there
     */
    static void tellCaptions(Findings findings, PictureFolder folder, String place, String extension) {
        List<Found> others = folder.captions().stream()
                .filter(file -> !file.extension().equals(extension))
                .toList();
        if (!others.isEmpty()) {
            findings.differs("captions of %s are read from files of another ending than .%s too (%s)"
                    .formatted(place, extension, some(others)));
        }
    }

    /** Says which tables of captions are read that no option names. */
    static void tellTables(Findings findings, FolderCaptions captions, List<Found> tables) {
        for (Found table : tables) {
            if (captions.hasCaptions(table)) {
                findings.differs("captions of %s are read, which no option names".formatted(table.path()));
            }
        }
    }
}
