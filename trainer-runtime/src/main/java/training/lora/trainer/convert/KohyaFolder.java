package training.lora.trainer.convert;

import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.convert.PictureFolder.Found;
import training.lora.trainer.files.FileName;

/**
 * The folder of a data set's pictures.
 *
 * @param dataset the data set, which has an image_dir
 * @param content what lies in it; null where it isn't here
 */
record KohyaFolder(Options dataset, @Nullable PictureFolder content) {
    /** Options that name a table of captions. */
    static final List<String> TABLES = List.of("in_json", "metadata_file");

    /** Of pictures there, two of them with more packages than it needs. */
    private static final FolderRules RULES =
            new FolderRules(List.of("png", "jpg", "jpeg", "webp", "bmp", "avif", "jxl"), false, false);

    static KohyaFolder of(Options dataset, PictureFolders folders) {
        return new KohyaFolder(dataset, folders.at(dataset.written("image_dir"), dataset.text("image_dir", "")));
    }

    /** Whether captions are a table's, beside which words for pictures without one mean nothing. */
    static boolean hasTable(Options dataset) {
        return TABLES.stream().anyMatch(key -> dataset.text(key) != null);
    }

    /** As the configuration names it. */
    String place() {
        return dataset.text("image_dir", "");
    }

    /** Whether it is here and no caption lies in it. */
    boolean hasNoCaptions() {
        return content != null && content.captions().isEmpty();
    }

    /** Whether there are, or where it isn't here may be, pictures without a caption beside them. */
    boolean mayLackCaptions() {
        return content == null || content.lacksCaptions();
    }

    /** Tables in it that an option names; none where it isn't here. Those that can be named lie in the folder itself. */
    List<Found> namedTables() {
        Set<String> named = TABLES.stream()
                .map(dataset::text)
                .filter(Objects::nonNull)
                .map(text -> FileName.of(Path.of(text)))
                .collect(Collectors.toSet());
        return tables().stream().filter(table -> named.contains(table.name())).toList();
    }

    /** The other tables in it, which are not read there. */
    List<Found> unnamedTables() {
        List<Found> named = namedTables();
        return tables().stream().filter(table -> !named.contains(table)).toList();
    }

    private List<Found> tables() {
        return content == null ? List.of() : content.tables();
    }

    /** Says which of its pictures are learned here alone. */
    void tellPictures() {
        if (content != null && !hasTable(dataset)) {
            RULES.tellPictures(dataset.findings(), content, place());
        }
    }
}
