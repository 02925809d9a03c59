package training.lora.images;

import java.nio.file.Path;
import java.time.Instant;

/** The build that is tested. */
final class Project {
    static final Path HOME = Path.of("..").toAbsolutePath().normalize();

    static final Build BUILD = new Build(
            HOME, System.getProperty("project.version"), Instant.parse(System.getProperty("project.time")), "");

    private Project() {}
}
