package training.lora.trainer.prepare;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Set;

/** What operating systems, file servers and this trainer leave in folders of pictures, and nobody means to train on. */
final class Leftovers {
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

    private static final Set<String> THUMBNAILS =
            Set.of("thumbnails", "thumbnail", "thumbs", "_thumbnails", "_thumbs", "_thumb");

    private Leftovers() {}

    /**
     * Whether a file or folder of that name is passed over: hidden ones of any kind, which are also the real files of a
     * mounted ConfigMap, and what Synology's (@eaDir, #recycle) and QNAP's servers (@Recycle) keep beside the pictures.
     */
    static boolean isLeftover(String name) {
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

    /** Whether a folder of that name is passed over where it holds no caption. */
    static boolean isThumbnails(String name) {
        return THUMBNAILS.contains(name.toLowerCase(Locale.ROOT));
    }

    /** Whether a run of this trainer works, has published or has reported in {@code folder}. */
    static boolean isRunsOwn(Path folder) {
        boolean reported =
                Files.isRegularFile(folder.resolve("training.yaml")) && isWorkspaceOrOutput(folder.resolve("run"));
        return reported || isWorkspaceOrOutput(folder);
    }

    private static boolean isWorkspaceOrOutput(Path folder) {
        return Files.isRegularFile(folder.resolve("run.log"))
                && (Files.isDirectory(folder.resolve("results"))
                        || Files.isRegularFile(folder.resolve("manifest.json")));
    }
}
