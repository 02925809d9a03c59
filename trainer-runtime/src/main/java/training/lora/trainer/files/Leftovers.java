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

    private static boolean isWorkspaceOrOutput(Path folder) {
        return Files.isRegularFile(folder.resolve("run.log"))
                && (Files.isDirectory(folder.resolve("results"))
                        || Files.isRegularFile(folder.resolve("manifest.json")));
    }
}
