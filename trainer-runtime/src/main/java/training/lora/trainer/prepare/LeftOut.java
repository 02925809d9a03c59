package training.lora.trainer.prepare;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Reason;
import training.lora.trainer.Names;
import training.lora.trainer.TrainerException;
import training.lora.trainer.prepare.picture.PictureFormat;

/** The files of a data set that are not trained on, though somebody may have meant them to be. */
final class LeftOut {
    private static final Logger LOG = LoggerFactory.getLogger(LeftOut.class);

    /** How many are named in a sentence; the log names all. */
    private static final int NAMED = 10;

    private final String dataset;
    private final List<String> named = new ArrayList<>();

    /** Stems: a picture and the film or the settings beside it are one. */
    private final Set<String> meant = new HashSet<>();

    /** @param dataset its name */
    LeftOut(String dataset) {
        this.dataset = dataset;
    }

    /**
     * A file or link that gives no picture.
     *
     * @param what it is, as far as that is known
     * @param picture whether it is one, by its content or its name
     */
    record File(DataFolder.Entry entry, @Nullable String what, boolean picture) {}

    /** Takes note of {@code file}; what is neither a picture nor has a caption was never meant. */
    void add(File file, boolean captioned) {
        String what = file.what();
        if (file.picture() || captioned) {
            meant.add(file.entry().stem());
        } else if (what == null) {
            return;
        }
        String extension = file.entry().extension().toUpperCase(Locale.ROOT);
        String unknown = extension.isEmpty() ? "no picture" : extension;
        named.add("%s (%s)".formatted(file.entry().name(), what == null ? unknown : what));
    }

    /**
     * Trained on a lesser part, an adapter would not be of this data set.
     *
     * @param pictures how many are not left out
     * @throws TrainerException InvalidData if more are
     */
    void requireFewerThan(int pictures) {
        if (meant.size() > pictures) {
            throw new TrainerException(
                    Reason.InvalidData,
                    "most pictures of data set \"%s\" must be readable (%s), but %d of %d are left out: %s"
                            .formatted(
                                    dataset,
                                    String.join(", ", PictureFormat.readableLabels()),
                                    meant.size(),
                                    meant.size() + pictures,
                                    Names.some(named, NAMED)));
        }
    }

    /** What was left out, in a sentence; null if nothing. */
    @Nullable String note() {
        if (named.isEmpty()) {
            return null;
        }
        if (named.size() > NAMED) {
            LOG.warn("left out of data set \"{}\": {}", dataset, String.join(", ", named));
        }
        return "data set \"%s\" leaves out %s".formatted(dataset, Names.some(named, NAMED));
    }
}
