package training.lora.trainer.safety;

import com.fasterxml.jackson.core.type.TypeReference;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import training.lora.api.Json;
import training.lora.trainer.files.WholeFile;

/**
 * Which pictures of a folder are unsafe, in a file beside them, so that the end of a training, another attempt and the
 * evaluation know it: one that is shown black can't be looked at again.
 */
public final class UnsafePictures {
    private static final String FILE = "unsafe.json";

    private UnsafePictures() {}

    /** Probabilities by the names of the pictures' files; empty where none is unsafe. */
    public static Map<String, Double> read(Path folder) throws IOException {
        Path file = folder.resolve(FILE);
        return Files.isRegularFile(file)
                ? Json.MAPPER.readValue(file.toFile(), new TypeReference<TreeMap<String, Double>>() {})
                : new TreeMap<>();
    }

    /** Notes the picture {@code name} of {@code folder}, which need not be there yet. */
    public static void add(Path folder, String name, double probability) throws IOException {
        Map<String, Double> all = read(folder);
        all.put(name, probability);
        Files.createDirectories(folder);
        WholeFile.write(folder.resolve(FILE), temporary -> Files.write(temporary, Json.PRETTY.writeValueAsBytes(all)));
    }
}
