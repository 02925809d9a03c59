package training.lora.images;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;

/** Debian's libheif, by which the trainer reads what phones write (HEIC, AVIF), with the libraries that it needs. */
final class PictureLibraries {
    static final String PACKAGE = "libheif1";

    private static final String LIBRARY = "libheif.so.1";

    private PictureLibraries() {}

    /** Copies those that {@code system} hasn't, and returns the packages that they come from. */
    static List<DebianPackage> lay(Layer layer, Layer system) throws IOException, InterruptedException {
        Path library = DebianPackage.installed(PACKAGE).file(LIBRARY);
        TreeMap<String, DebianPackage> packages = new TreeMap<>();
        List<Path> all = new ArrayList<>(List.of(library));
        // NAME => FILE (ADDRESS), of all that it needs directly and indirectly.
        Commands.output("ldd", library.toString())
                .lines()
                .filter(line -> line.contains("=> /"))
                .map(line -> Path.of(line.replaceFirst(".*=> (\\S+) .*", "$1")))
                .forEach(all::add);
        for (Path file : all) {
            String to = SystemLayer.LIBRARIES + "/" + file.getFileName();
            if (!Files.exists(system.at(to))) {
                layer.copy(file, to);
                DebianPackage from = DebianPackage.of(file.toRealPath());
                packages.put(from.name(), from);
            }
        }
        for (DebianPackage from : packages.values()) {
            SystemLayer.record(layer, from);
        }
        return List.copyOf(packages.values());
    }
}
