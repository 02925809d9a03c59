package training.lora.trainer.face;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/** MediaPipe's models of faces, as ONNX files of their own names in a folder. */
public final class FaceFiles {
    static final String DETECTOR = "face_detection_full_range.onnx";
    static final String MESH = "face_landmark.onnx";

    private static final List<String> ALL = List.of(DETECTOR, MESH);

    private FaceFiles() {}

    /**
     * Those that are needed.
     *
     * @param names of all files in the place
     * @throws TrainerException InvalidConfiguration if one is missing; its message goes on after a uri
     */
    public static List<String> needed(Collection<String> names) {
        for (String name : ALL) {
            if (!names.contains(name)) {
                throw new TrainerException(
                        Reason.InvalidConfiguration,
                        "must hold MediaPipe's %s, but %s is missing".formatted(String.join(" and ", ALL), name));
            }
        }
        return ALL;
    }

    /** All of {@code folder}. */
    public static List<Path> all(String field, Path folder) {
        List<String> there = ALL.stream()
                .filter(name -> Files.isRegularFile(folder.resolve(name)))
                .toList();
        try {
            return needed(there).stream().map(folder::resolve).toList();
        } catch (TrainerException e) {
            throw new TrainerException(e.reason(), "`%s` %s %s".formatted(field, folder, e.getMessage()), e);
        }
    }
}
