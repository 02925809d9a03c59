package training.lora.trainer.source;

import java.io.IOException;
import java.nio.file.FileVisitOption;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import training.lora.api.Json;
import training.lora.trainer.TrainerException;
import training.lora.trainer.model.basemodel.PartFiles;

/** What ships with the trainer, for a sentence about a name that doesn't. */
final class Shipped {
    /** A model's parts have names too, as in emoji-sd/vae. */
    private static final int DEPTH = 2;

    private static final String CONFIG = "config.json";

    private Shipped() {}

    /** The names in {@code bundled} of the folders that can be read as {@code source} is to be. */
    static List<String> fitting(Path bundled, Source source) throws IOException {
        List<Path> folders;
        try (Stream<Path> walk = Files.walk(bundled, DEPTH, FileVisitOption.FOLLOW_LINKS)) {
            folders = walk.filter(folder -> !folder.equals(bundled) && Files.isDirectory(folder))
                    .sorted()
                    .toList();
        }
        return folders.stream()
                .filter(folder -> fits(folder, source))
                .map(folder -> bundled.relativize(folder).toString().replace('\\', '/'))
                .toList();
    }

    /** Whether {@code folder} has the files that are needed, and none that make it something else. */
    private static boolean fits(Path folder, Source source) {
        try {
            Set<String> names = names(folder);
            NeededFiles.of(source, "", names);
            return switch (source.use()) {
                case Clip -> config(folder, "model_type").equals("clip");
                case Blip -> config(folder, "model_type").equals("blip");
                case Vae ->
                    !names.contains(CONFIG) || config(folder, "_class_name").equals("AutoencoderKL");
                case BaseModel -> names.contains(PartFiles.INDEX) || !names.contains(CONFIG);
                // One file of weights with a description beside it is a network of another kind.
                case BaseAdapter, InitFrom, Aesthetic -> !names.contains(CONFIG);
                case Dataset, Onnx, Florence, Faces -> true;
            };
        } catch (IOException | TrainerException e) {
            return false;
        }
    }

    private static Set<String> names(Path folder) throws IOException {
        try (Stream<Path> walk = Files.walk(folder, FileVisitOption.FOLLOW_LINKS)) {
            return walk.filter(Files::isRegularFile)
                    .map(file -> folder.relativize(file).toString().replace('\\', '/'))
                    .collect(Collectors.toSet());
        }
    }

    private static String config(Path folder, String key) throws IOException {
        return Json.MAPPER.readTree(folder.resolve(CONFIG).toFile()).path(key).asText();
    }
}
