package training.lora.images;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * What a process needs of a system: the C and C++ libraries, a locale, certificates of authorities, a user, {@code /tmp}.
 * All of it is of Debian's packages, and scanners of images find their names and versions as in Debian's own.
 */
final class SystemLayer {
    /** Debian's loader looks into this folder without being told; NVIDIA's container toolkit mounts the driver into the other. */
    static final String LIBRARIES = "/lib/x86_64-linux-gnu";

    private static final String DRIVER = "/usr/lib/x86_64-linux-gnu";

    /** Package and the libraries that are taken from it, by the names under which programs ask for them. */
    private record Source(String name, List<String> libraries) {}

    private static final String LOADER = "ld-linux-x86-64.so.2";

    private static final List<Source> SOURCES = List.of(
            new Source(
                    "libc6",
                    List.of(
                            "libc.so.6",
                            "libm.so.6",
                            "libdl.so.2",
                            "libpthread.so.0",
                            "librt.so.1",
                            "libutil.so.1",
                            LOADER)),
            new Source("libstdc++6", List.of("libstdc++.so.6")),
            new Source("libgcc-s1", List.of("libgcc_s.so.1")),
            new Source("zlib1g", List.of("libz.so.1")));

    private final List<DebianPackage> packages = new ArrayList<>();

    /** Names of the packages, for who installs them. */
    static List<String> packageNames() {
        List<String> names = new ArrayList<>(SOURCES.stream().map(Source::name).toList());
        names.addAll(List.of("libc-bin", "base-files", "ca-certificates"));
        return names;
    }

    /** The packages of which it is made. */
    List<DebianPackage> packages() {
        return List.copyOf(packages);
    }

    void lay(Layer layer) throws IOException, InterruptedException {
        for (Source source : SOURCES) {
            DebianPackage from = take(layer, source.name());
            for (String library : source.libraries()) {
                String folder = library.equals(LOADER) ? "/lib64" : LIBRARIES;
                layer.copy(from.file(library), folder + "/" + library);
            }
        }
        layer.folder(DRIVER);
        locale(layer);
        DebianPackage release = take(layer, "base-files");
        layer.copy(Path.of("/etc/debian_version"), "/etc/debian_version");
        layer.copy(release.file("os-release"), "/etc/os-release");
        certificates(layer);
        layer.write("/etc/passwd", """
                root:x:0:0:root:/:/none
                nonroot:x:65532:65532:nonroot:/tmp:/none
                """);
        layer.write("/etc/group", """
                root:x:0:
                nonroot:x:65532:
                """);
        layer.write("/etc/nsswitch.conf", "hosts: files dns\n");
        layer.folder(ImageConfig.HOME);
    }

    private DebianPackage take(Layer layer, String name) throws IOException, InterruptedException {
        DebianPackage from = DebianPackage.installed(name);
        packages.add(from);
        record(layer, from);
        return from;
    }

    /** As in Debian's and distroless' images: scanners read the first, licences ask for the second. */
    static void record(Layer layer, DebianPackage of) throws IOException {
        layer.write("/var/lib/dpkg/status.d/" + of.name(), of.control());
        Path copyright = Path.of("/usr/share/doc", of.name(), "copyright");
        if (Files.exists(copyright)) {
            layer.copy(copyright, copyright.toString());
        }
    }

    private void locale(Layer layer) throws IOException, InterruptedException {
        DebianPackage from = take(layer, "libc-bin");
        for (Path file : from.files()) {
            if (file.startsWith("/usr/lib/locale/C.utf8") && Files.isRegularFile(file)) {
                layer.copy(file, file.toString());
            }
        }
    }

    /** Those of the package alone: what an administrator has added to the build machine stays there. */
    private void certificates(Layer layer) throws IOException, InterruptedException {
        DebianPackage from = take(layer, "ca-certificates");
        layer.write("/etc/ssl/certs/ca-certificates.crt", Authorities.of(from).pem());
    }
}
