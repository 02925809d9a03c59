package training.lora.images;

import java.net.URI;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.stream.Stream;

/** The build that is tested. */
final class Project {
    static final Path HOME = Path.of("..").toAbsolutePath().normalize();

    static final Build BUILD = new Build(
            HOME, System.getProperty("project.version"), Instant.parse(System.getProperty("project.time")), "");

    static final CpuNatives CPU = new CpuNatives();

    /** Nothing is downloaded for a test. */
    static final CudaNatives CUDA = new CudaNatives(new WheelFolder(Path.of("none"), URI.create("none:none")));

    private Project() {}

    /** Names of the images that this build has made. */
    static List<String> images() {
        return Stream.of(System.getProperty("images").split(","))
                .map(String::strip)
                .toList();
    }

    static List<String> trainers() {
        return images().stream()
                .filter(name -> name.startsWith("lora-trainer-"))
                .toList();
    }
}
