package training.lora.trainer.files;

import java.util.Locale;
import java.util.Set;

/** Names of files that have the captions of many pictures. */
public final class CaptionTables {
    /** What prepare writes beside the pictures that it makes. */
    public static final String PREPARED = "captions.jsonl";

    private static final Set<String> NAMES = Set.of(PREPARED, "metadata.json", "metadata.jsonl", "metadata.csv");

    private CaptionTables() {}

    /** Whether {@code path} is called as such files are. */
    public static boolean isOne(String path) {
        return NAMES.contains(path.substring(path.lastIndexOf('/') + 1).toLowerCase(Locale.ROOT));
    }
}
