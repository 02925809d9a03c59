package training.lora.e2e;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import training.lora.api.LoraTraining;

/** What tests on the embedded cluster and on a real one ask of trainings and of their files. */
public final class Trainings {
    private static final String EXPECT = "# expect: ";

    private Trainings() {}

    /** Whether a condition of that type is true. */
    public static boolean is(LoraTraining training, String condition) {
        return training.getStatus() != null
                && training.getStatus().conditions().stream()
                        .anyMatch(c ->
                                c.getType().equals(condition) && c.getStatus().equals("True"));
    }

    /** Whether the training has come to an end, of either kind. */
    public static boolean isOver(LoraTraining training) {
        return is(training, "Complete") || is(training, "Failed");
    }

    /** What an API server has to say of an invalid example, as its comments have it. */
    public static List<String> expectedMessages(Path invalid) throws IOException {
        return Files.readAllLines(invalid).stream()
                .filter(l -> l.startsWith(EXPECT))
                .map(l -> l.substring(EXPECT.length()))
                .toList();
    }
}
