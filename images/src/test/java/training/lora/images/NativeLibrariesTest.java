package training.lora.images;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** That the loader finds what an image's native libraries need, but for what is the driver's. */
class NativeLibrariesTest {
    /** NVIDIA's container toolkit mounts it from the node. */
    private static final String DRIVER = "libcuda.so.1";

    /**
     * @param file path in the image
     * @param names its file's and the one that it gives itself, by which others find it once it is loaded
     * @param needed libraries that it names
     * @param undefined symbols that it needs, with their versions
     * @param defined symbols that others may need, with and without their versions
     */
    private record Library(
            String file, Set<String> names, Set<String> needed, List<String> undefined, List<String> defined) {
        static Library read(UnpackedImage image, String file) throws IOException, InterruptedException {
            String path = image.root().resolve(file.substring(1)).toString();
            Set<String> needed = new TreeSet<>();
            Set<String> names = new TreeSet<>(Set.of(Path.of(file).getFileName().toString()));
            Commands.output("readelf", "-d", path).lines().forEach(line -> {
                String name = line.replaceFirst(".*\\[(.*)]", "$1");
                if (line.contains("(NEEDED)")) {
                    needed.add(name);
                } else if (line.contains("(SONAME)")) {
                    names.add(name);
                }
            });
            List<String> undefined = new ArrayList<>();
            List<String> defined = new ArrayList<>();
            // NAME[@VERSION] TYPE [VALUE SIZE]. Of type w and v are those that may be missing.
            Commands.output("nm", "--dynamic", "--format=posix", path).lines().forEach(line -> {
                String[] words = line.split(" ");
                String symbol = words[0].replace("@@", "@");
                if (words[1].equals("U")) {
                    undefined.add(symbol);
                } else if (!words[1].matches("[wv]")) {
                    defined.add(symbol);
                    defined.add(symbol.replaceFirst("@.*", ""));
                }
            });
            return new Library(file, names, needed, undefined, defined);
        }

        /** A function of the driver, in a library that names it. */
        boolean isDrivers(String symbol) {
            return needed.contains(DRIVER) && symbol.matches("cu[A-Z].*");
        }
    }

    static List<String> images() {
        return Project.images();
    }

    @ParameterizedTest
    @MethodSource("images")
    void everyLibraryAndSymbolIsThereOrIsTheDrivers(String name, @TempDir Path folder) throws Exception {
        UnpackedImage image = UnpackedImage.unpack(name, folder);
        List<Library> libraries = new ArrayList<>();
        for (String file : image.files()) {
            if (Path.of(file).getFileName().toString().contains(".so")) {
                libraries.add(Library.read(image, file));
            }
        }
        Set<String> there = new TreeSet<>();
        Set<String> defined = new HashSet<>();
        for (Library library : libraries) {
            there.addAll(library.names());
            defined.addAll(library.defined());
        }
        List<String> missing = new ArrayList<>();
        for (Library library : libraries) {
            library.needed().stream()
                    .filter(needed -> !there.contains(needed) && !needed.equals(DRIVER))
                    .forEach(needed -> missing.add(library.file() + " needs " + needed));
            library.undefined().stream()
                    .filter(symbol -> !defined.contains(symbol) && !library.isDrivers(symbol))
                    .forEach(symbol -> missing.add(library.file() + " needs " + symbol));
        }

        assertThat(libraries).hasSizeGreaterThan(20);
        assertThat(defined).contains("malloc@GLIBC_2.2.5", "JNI_CreateJavaVM");
        assertThat(missing).isEmpty();
    }
}
