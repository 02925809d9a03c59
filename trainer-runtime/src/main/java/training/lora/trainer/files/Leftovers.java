package training.lora.trainer.files;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Set;

/** Folders that this trainer and viewers of pictures leave beside pictures, and nobody means to train on. */
public final class Leftovers {
    private static final Set<String> THUMBNAILS =
            Set.of("thumbnails", "thumbnail", "thumbs", "_thumbnails", "_thumbs", "_thumb");

    private Leftovers() {}

    /** Whether a folder of that name is passed over where it holds no caption. */
    public static boolean isThumbnails(String name) {
        return THUMBNAILS.contains(name.toLowerCase(Locale.ROOT));
    }

    /** Whether a run of this trainer works, has published or has reported in {@code folder}. */
    public static boolean isRunsOwn(Path folder) {
        boolean reported =
                Files.isRegularFile(folder.resolve("training.yaml")) && isWorkspaceOrOutput(folder.resolve("run"));
        return reported || isWorkspaceOrOutput(folder);
    }

    /** Whether a run of this trainer works in {@code folder}, or has worked there. */
    public static boolean isWorkspace(Path folder) {
        // Results are there from the first stage that ends; until then the lock shows it, which is never deleted.
        return logs(folder)
                && (Files.isDirectory(folder.resolve("results")) || Files.isRegularFile(folder.resolve(".lock")));
    }

    private static boolean isWorkspaceOrOutput(Path folder) {
        return isWorkspace(folder) || logs(folder) && Files.isRegularFile(folder.resolve("manifest.json"));
    }

    private static boolean logs(Path folder) {
        return Files.isRegularFile(folder.resolve("run.log"));
    }
}
