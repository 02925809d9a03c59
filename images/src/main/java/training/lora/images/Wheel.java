package training.lora.images;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;

/**
 * A package of PyPI: a zip archive, from which native libraries are taken.
 *
 * @param file its name, which begins with those of project and version
 * @param sha256 of the file
 * @param folder in it, where the libraries lie
 * @param libraries that are taken, by the names under which programs ask for them
 */
record Wheel(String file, String sha256, String folder, List<String> libraries) {
    Wheel {
        libraries = List.copyOf(libraries);
    }

    /** As the index names it. */
    String project() {
        return file.substring(0, file.indexOf('-')).replace('_', '-');
    }

    String version() {
        return file.split("-")[1];
    }

    /** Where a package describes itself. */
    private String description() {
        return file.substring(0, file.indexOf('-', file.indexOf('-') + 1)) + ".dist-info/METADATA";
    }

    /**
     * Takes libraries, licences and description, each by its path in the archive: the libraries find each other by it.
     *
     * @param home folder of the image that stands for the archive's root
     */
    void unpack(Path archive, Layer layer, String home, List<String> others) throws IOException {
        try (ZipFile zip = new ZipFile(archive.toFile())) {
            for (String library : libraries) {
                take(zip, folder + "/" + library, layer, home);
            }
            for (String other : others) {
                take(zip, other, layer, home);
            }
            for (ZipEntry entry : zip.stream().filter(this::isDescription).toList()) {
                take(zip, entry.getName(), layer, home);
            }
        }
    }

    private boolean isDescription(ZipEntry entry) {
        String name = entry.getName();
        return name.equals(description()) || name.matches("(?i)[^/]+/(licen[cs]e|notice)(\\.txt)?");
    }

    private void take(ZipFile zip, String entry, Layer layer, String home) throws IOException {
        try (InputStream in = Entry.open(zip, entry, file)) {
            layer.write(home + "/" + entry, in);
        }
    }

    /** The licence's name, of the package's own description. */
    String licence(Path archive) throws IOException {
        try (ZipFile zip = new ZipFile(archive.toFile());
                InputStream in = Entry.open(zip, description(), file)) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8)
                    .lines()
                    .filter(line -> line.startsWith("License: "))
                    .map(line -> line.substring("License: ".length()).strip())
                    .findFirst()
                    .orElseThrow(() -> new IOException("METADATA of " + file + " must name a licence"));
        }
    }
}
