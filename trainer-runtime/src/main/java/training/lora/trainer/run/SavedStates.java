package training.lora.trainer.run;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.temporal.ChronoUnit;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.SavedState;

/** The states of a training in its workspace, by their names: {@code train/state/step-000120.safetensors}. */
public final class SavedStates {
    private static final Pattern NAME = Pattern.compile("step-(\\d+)\\.safetensors");

    private SavedStates() {}

    /** Where states are. */
    public static Path folder(Path train) {
        return train.resolve("state");
    }

    /** Steps of all states in {@code folder}, newest first. */
    public static List<Integer> steps(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            return List.of();
        }
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(f -> NAME.matcher(f.getFileName().toString()))
                    .filter(Matcher::matches)
                    .map(m -> Integer.parseInt(m.group(1)))
                    .sorted(Comparator.reverseOrder())
                    .toList();
        }
    }

    /** The newest state of the training in {@code train}, and when it was written; null if there is none. */
    static @Nullable SavedState newest(Path train) throws IOException {
        Path folder = folder(train);
        if (!Files.isDirectory(folder)) {
            return null;
        }
        Path newest = null;
        int step = -1;
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.toList()) {
                Matcher name = NAME.matcher(file.getFileName().toString());
                if (name.matches() && Integer.parseInt(name.group(1)) > step) {
                    step = Integer.parseInt(name.group(1));
                    newest = file;
                }
            }
        }
        return newest == null
                ? null
                : new SavedState(
                        step,
                        Files.getLastModifiedTime(newest)
                                .toInstant()
                                .truncatedTo(ChronoUnit.SECONDS)
                                .toString());
    }
}
