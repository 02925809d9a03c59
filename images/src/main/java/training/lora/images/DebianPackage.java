package training.lora.images;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * A package of Debian that is installed on the build machine.
 *
 * @param name as {@code libc6}
 * @param version Debian's
 * @param architecture as {@code amd64}
 * @param source package that it was built from
 * @param control what dpkg knows of it, as scanners of images read it
 * @param files that it has installed
 */
record DebianPackage(
        String name, String version, String architecture, String source, String control, List<Path> files) {
    private static final String FORMAT = "${db:Status-Abbrev}\\t${Version}\\t${Architecture}\\t${source:Package}";

    DebianPackage {
        files = List.copyOf(files);
    }

    /** @throws IOException if it isn't installed */
    static DebianPackage installed(String name) throws IOException, InterruptedException {
        if (!Files.isExecutable(Path.of("/usr/bin/dpkg-query"))) {
            throw new IOException("images are made of Debian's packages, so dpkg-query must be in /usr/bin;"
                    + " elsewhere build by a Dockerfile of images/");
        }
        String[] fields;
        try {
            fields = Commands.output("dpkg-query", "-W", "-f", FORMAT, name).split("\t");
        } catch (IOException e) {
            throw new IOException("Debian's package " + name + " must be installed", e);
        }
        if (!fields[0].startsWith("ii")) {
            throw new IOException("Debian's package " + name + " must be installed, its status is " + fields[0]);
        }
        List<Path> files = Commands.output("dpkg-query", "-L", name)
                .lines()
                .filter(line -> line.startsWith("/"))
                .map(Path::of)
                .toList();
        return new DebianPackage(
                name, fields[1], fields[2], fields[3], Commands.output("dpkg-query", "-s", name), files);
    }

    /** The one that has installed {@code file}. */
    static DebianPackage of(Path file) throws IOException, InterruptedException {
        String found = Commands.output("dpkg-query", "-S", file.toString());
        return installed(found.substring(0, found.indexOf(": ")).replaceFirst(":.*", ""));
    }

    /** Its file of this name, wherever it lies: some releases have {@code /lib}, some {@code /usr/lib}. */
    Path file(String fileName) throws IOException {
        return files.stream()
                .filter(file -> file.endsWith(fileName))
                .findFirst()
                .orElseThrow(() -> new IOException(
                        "Debian's package %s %s must have a file %s".formatted(name, version, fileName)));
    }
}
