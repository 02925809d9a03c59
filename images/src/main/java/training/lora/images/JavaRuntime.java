package training.lora.images;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** The Java runtime: jlink's, of the modules that an image needs, without symbols for debuggers. */
final class JavaRuntime {
    static final String HOME = "/opt/java";
    static final String JAVA = HOME + "/bin/java";

    private final Path jdk = Path.of(System.getProperty("java.home"));

    /** The package that it is made of. */
    DebianPackage source() throws IOException, InterruptedException {
        Path base = jdk.resolve("jmods/java.base.jmod").toRealPath();
        try {
            return DebianPackage.of(base);
        } catch (IOException e) {
            throw new IOException(
                    "Maven must run on a JDK of Debian, such as openjdk-17-jdk-headless, but " + base
                            + " is of no package",
                    e);
        }
    }

    void lay(Layer layer, List<String> modules) throws IOException, InterruptedException {
        // In a process of its own: some of the classes that it generates depend on what its JVM has done before.
        Commands.output(
                jdk.resolve("bin/jlink").toString(),
                "--add-modules",
                String.join(",", modules),
                "--strip-java-debug-attributes",
                "--no-header-files",
                "--no-man-pages",
                "--compress=2",
                "--output",
                layer.at(HOME).toString());
        Path home = layer.at(HOME);
        try (Stream<Path> programs = Files.list(home.resolve("bin"))) {
            for (Path program : programs.toList()) {
                if (!program.endsWith("java")) {
                    Files.delete(program);
                }
            }
        }
        Commands.strip(home.resolve("lib"));
        DebianPackage certificates = DebianPackage.installed("ca-certificates");
        layer.write(HOME + "/lib/security/cacerts", Authorities.of(certificates).keyStore());
    }
}
