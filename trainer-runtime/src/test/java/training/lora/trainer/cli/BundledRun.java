package training.lora.trainer.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import training.lora.trainer.Goldens;
import training.lora.trainer.files.Folders;

/** Runs on the bundled model and the bundled pictures of one cat's face. */
final class BundledRun {
    static final Path MODEL = Goldens.BUNDLED.resolve("emoji-sd");

    private BundledRun() {}

    /**
     * A run in {@code folder}, which is made, whose captions are "an emoji of a qzx".
     *
     * @param training the fields under spec.training
     * @param className what qzx is; "" for nothing
     */
    static TinyRun ofCats(Path folder, String training, String className) throws IOException {
        Files.createDirectories(folder);
        TinyRun run = TinyRun.create(
                folder,
                "baseModel: {uri: '%s'}".formatted(MODEL.toAbsolutePath().normalize()),
                training,
                "{enabled: false}",
                "{enabled: false}");
        String is = className.isEmpty() ? "" : ", className: " + className;
        Files.writeString(
                run.yaml,
                Files.readString(run.yaml)
                        .replace(
                                "[{uri: data}]", "[{uri: data, concept: {mode: Face, trigger: qzx%s}}]".formatted(is)));
        Path data = folder.resolve("data");
        Folders.delete(data);
        Files.createDirectories(data);
        try (Stream<Path> files = Files.list(Goldens.BUNDLED.resolve("fluent-cats"))) {
            List<String> pictures = files.map(file -> file.getFileName().toString())
                    .filter(name -> name.endsWith(".png"))
                    .toList();
            for (String picture : pictures) {
                Files.copy(Goldens.BUNDLED.resolve("fluent-cats").resolve(picture), data.resolve(picture));
                Files.writeString(data.resolve(picture.replace(".png", ".txt")), "an emoji of a qzx");
            }
        }
        return run;
    }
}
