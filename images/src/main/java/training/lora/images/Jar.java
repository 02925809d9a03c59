package training.lora.images;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;

/**
 * A library's jar.
 *
 * @param file where the build has put it
 */
record Jar(Path file) {
    /** Libraries of all the systems that there are, static ones too. */
    private static final Predicate<String> NATIVE =
            Pattern.compile("\\.(a|dll|dylib|jnilib|pdb|so(\\.\\d+)*)$").asPredicate();

    /** All in {@code folder}, sorted by name. */
    static List<Jar> in(Path folder) throws IOException {
        try (var files = Files.walk(folder)) {
            return files.filter(file -> file.toString().endsWith(".jar"))
                    .sorted()
                    .map(Jar::new)
                    .toList();
        }
    }

    String name() {
        return file.getFileName().toString();
    }

    /** Whether it is of this project. */
    boolean own() {
        return name().matches("(training\\.lora\\.)?(crds|operator|trainer-runtime)(-.*)?\\.jar");
    }

    /** Copies a native library out of it. */
    void unpack(String entry, Layer layer, String to) throws IOException {
        try (ZipFile zip = new ZipFile(file.toFile());
                InputStream in = Entry.open(zip, entry, file)) {
            layer.write(to, in);
        }
    }

    /** Copies it without its native libraries: those that the image needs lie in it as files. */
    void copyWithoutNatives(Layer layer, String to) throws IOException {
        try (ZipFile zip = new ZipFile(file.toFile())) {
            if (zip.stream().noneMatch(entry -> NATIVE.test(entry.getName()))) {
                layer.copy(file, to);
                return;
            }
            layer.write(to, "");
            try (OutputStream out = Files.newOutputStream(layer.at(to));
                    ZipOutputStream copy = new ZipOutputStream(out)) {
                zip.stream()
                        .filter(entry -> !entry.isDirectory() && !NATIVE.test(entry.getName()))
                        .sorted(Comparator.comparing(Jar::order).thenComparing(ZipEntry::getName))
                        .forEach(entry -> copy(zip, entry, copy));
            }
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }

    /** A manifest comes first, where it is looked for. */
    private static int order(ZipEntry entry) {
        return entry.getName().equals("META-INF/MANIFEST.MF") ? 0 : 1;
    }

    private static void copy(ZipFile zip, ZipEntry entry, ZipOutputStream to) {
        try (InputStream in = zip.getInputStream(entry)) {
            ZipEntry written = new ZipEntry(entry.getName());
            written.setTimeLocal(entry.getTimeLocal());
            to.putNextEntry(written);
            in.transferTo(to);
            to.closeEntry();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
