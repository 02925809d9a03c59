package training.lora.images;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;

/** Makes the images that are named, as {@code images/NAME.tar}, each with its SBOM beside it. */
public final class Main {
    private Main() {}

    /**
     * @param args each as {@code NAME=VALUE}: the project's home, its version, the time of all files, the prefix of the
     *     images' names, names of images, folder and index of wheels
     */
    public static void main(String[] args) throws IOException, InterruptedException {
        Map<String, String> options = new LinkedHashMap<>();
        for (String argument : args) {
            int equals = argument.indexOf('=');
            options.put(argument.substring(0, equals), argument.substring(equals + 1));
        }
        Build build = new Build(
                Path.of(option(options, "home")).toRealPath(),
                option(options, "version"),
                Instant.parse(option(options, "time")),
                option(options, "prefix"));
        WheelFolder wheels =
                new WheelFolder(Path.of(option(options, "cuda.wheels")), URI.create(option(options, "cuda.index")));
        for (String name : option(options, "images").split(",")) {
            make(build, name.strip(), wheels);
        }
    }

    private static String option(Map<String, String> options, String name) {
        String value = options.get(name);
        if (value == null) {
            throw new IllegalArgumentException("the arguments must have %s=VALUE, were %s".formatted(name, options));
        }
        return value;
    }

    private static void make(Build build, String name, WheelFolder wheels) throws IOException, InterruptedException {
        Image image =
                switch (name) {
                    case OperatorImage.NAME -> OperatorImage.lay(build);
                    case CpuNatives.NAME -> TrainerImage.lay(build, new CpuNatives());
                    case CudaNatives.NAME -> TrainerImage.lay(build, new CudaNatives(wheels));
                    default ->
                        throw new IllegalArgumentException(
                                "`images` must name lora-operator, lora-trainer-cpu or lora-trainer-cuda, was " + name);
                };
        Path folder = build.home().resolve("images");
        Path archive = folder.resolve(name + ".tar");
        String digest = new ArchiveWriter(folder.resolve("target/cache"), build.time()).write(image, archive);
        Files.copy(image.sbom(), folder.resolve(name + ".cdx.json"), StandardCopyOption.REPLACE_EXISTING);
        System.out.printf("%s: %s, %.1f MB, %s%n", archive, image.reference(), Files.size(archive) / 1e6, digest);
    }
}
