package training.lora.images;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;

/** Makes the images that are named, as {@code images/NAME.tar}, each with its SBOM beside it. */
public final class Main {
    private Main() {}

    /** @param args the project's folder, version, time of all files, {@code prefix=} of the images' names, names */
    public static void main(String[] args) throws IOException, InterruptedException {
        String prefix = args[3].replaceFirst("^prefix=", "");
        Build build = new Build(Path.of(args[0]).toRealPath(), args[1], Instant.parse(args[2]), prefix);
        for (String name : args[4].split(",")) {
            make(build, name.strip());
        }
    }

    private static void make(Build build, String name) throws IOException, InterruptedException {
        Image image =
                switch (name) {
                    case OperatorImage.NAME -> OperatorImage.lay(build);
                    case TrainerImage.NAME -> TrainerImage.lay(build);
                    default ->
                        throw new IllegalArgumentException(
                                "`images` must name lora-operator or lora-trainer-cpu, was " + name);
                };
        Path folder = build.home().resolve("images");
        Path archive = folder.resolve(name + ".tar");
        String digest = new ArchiveWriter(folder.resolve("target/cache"), build.time()).write(image, archive);
        Files.copy(image.sbom(), folder.resolve(name + ".cdx.json"), java.nio.file.StandardCopyOption.REPLACE_EXISTING);
        System.out.printf("%s: %s, %.1f MB, %s%n", archive, image.reference(), Files.size(archive) / 1e6, digest);
    }
}
