package training.lora.images;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/**
 * A layer of an image, laid out in a folder of the build machine.
 *
 * @param name of the layer
 * @param root folder that stands for the image's {@code /}
 */
record Layer(String name, Path root) {
    /** An empty one. */
    static Layer create(Path folder, String name) throws IOException {
        Path root = folder.resolve(name);
        delete(root);
        Files.createDirectories(root);
        return new Layer(name, root);
    }

    static void delete(Path folder) throws IOException {
        if (!Files.exists(folder)) {
            return;
        }
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }

    /** Where {@code path} of the image lies here. */
    Path at(String path) {
        if (!path.startsWith("/")) {
            throw new IllegalArgumentException("a path in an image must start with /, was " + path);
        }
        return root.resolve(path.substring(1));
    }

    /** Copies a file, or what a link leads to. */
    void copy(Path from, String to) throws IOException {
        Path target = parent(to);
        Files.copy(from, target, StandardCopyOption.REPLACE_EXISTING);
    }

    /** Copies a folder with all that is in it. */
    void copyFolder(Path from, String to) throws IOException {
        try (Stream<Path> files = Files.walk(from)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                copy(file, to + "/" + from.relativize(file));
            }
        }
    }

    void write(String to, InputStream content) throws IOException {
        Files.copy(content, parent(to), StandardCopyOption.REPLACE_EXISTING);
    }

    void write(String to, String content) throws IOException {
        Files.writeString(parent(to), content, StandardCharsets.UTF_8);
    }

    void folder(String path) throws IOException {
        Files.createDirectories(at(path));
    }

    private Path parent(String to) throws IOException {
        Path target = at(to);
        Path parent = target.getParent();
        if (parent != null) {
            Files.createDirectories(parent);
        }
        return target;
    }

    /** Its files and folders but the root, sorted by name. */
    List<Path> contents() throws IOException {
        try (Stream<Path> files = Files.walk(root)) {
            return files.filter(file -> !file.equals(root)).sorted().toList();
        }
    }

    /** The path in the image of what lies in {@code file} here. */
    String path(Path file) {
        return "/" + root.relativize(file);
    }

    /** Octal: programs and folders may be run and entered by all, {@code /tmp} is everyone's, and only root writes. */
    String mode(Path file) {
        if (path(file).equals(ImageConfig.HOME)) {
            return "777";
        }
        return Files.isDirectory(file) || isProgram(path(file)) ? "755" : "644";
    }

    private static boolean isProgram(String path) {
        return path.startsWith(JavaRuntime.HOME + "/bin/")
                || path.equals(JavaRuntime.HOME + "/lib/jspawnhelper")
                || path.startsWith("/lib64/");
    }

    /** Gives files and folders here the modes and times that they have in the image, for who packs the folder itself. */
    void settle(Instant time) throws IOException {
        try {
            contents().forEach(file -> {
                try {
                    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString(letters(mode(file))));
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            });
            for (Path file :
                    contents().stream().sorted(Comparator.reverseOrder()).toList()) {
                Files.setLastModifiedTime(file, FileTime.from(time));
            }
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }

    private static String letters(String octal) {
        StringBuilder letters = new StringBuilder();
        for (char digit : octal.toCharArray()) {
            int bits = digit - '0';
            letters.append((bits & 4) != 0 ? 'r' : '-')
                    .append((bits & 2) != 0 ? 'w' : '-')
                    .append((bits & 1) != 0 ? 'x' : '-');
        }
        return letters.toString();
    }
}
