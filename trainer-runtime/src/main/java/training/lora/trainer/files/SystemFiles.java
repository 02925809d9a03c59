package training.lora.trainer.files;

import java.util.Locale;
import java.util.Set;

/** What operating systems and file servers leave in folders, and nobody means by what he keeps there. */
public final class SystemFiles {
    /** In lower case. */
    private static final Set<String> NAMES = Set.of(
            "__macosx",
            "lost+found",
            "thumbs.db",
            "ehthumbs.db",
            "ehthumbs_vista.db",
            "desktop.ini",
            "icon\r",
            "$recycle.bin",
            "recycler",
            "system volume information",
            "network trash folder",
            "temporary items");

    private SystemFiles() {}

    /**
     * Whether a file or folder of that name is one: hidden ones of any kind, which are also the real files of a
     * mounted ConfigMap, and what Synology's (@eaDir, #recycle) and QNAP's servers (@Recycle) keep beside the files.
     */
    public static boolean isOne(String name) {
        String lower = name.toLowerCase(Locale.ROOT);
        return lower.startsWith(".")
                || lower.startsWith("~$")
                || lower.equals("#recycle")
                || lower.equals("#snapshot")
                || lower.equals("@eadir")
                || lower.equals("@tmp")
                || lower.startsWith("@recycle")
                || lower.startsWith("@recently-snapshot")
                || NAMES.contains(lower);
    }
}
