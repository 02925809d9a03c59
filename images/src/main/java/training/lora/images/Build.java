package training.lora.images;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What all images of a build have in common.
 *
 * @param home the project's folder
 * @param version of the project; the images' tag
 * @param time of all files, so that the same sources make the same image
 * @param prefix registry and path, what stands before an image's name
 */
record Build(Path home, String version, Instant time, String prefix) {
    /** Where layers are laid out. */
    Path rootfs() {
        return home.resolve("images/target/rootfs");
    }

    /** Environment that an image's program has whatever it is. */
    Map<String, String> environment() {
        Map<String, String> environment = new LinkedHashMap<>();
        // File names and texts are UTF-8.
        environment.put("LC_ALL", "C.UTF-8");
        environment.put("HOME", ImageConfig.HOME);
        environment.put("PATH", JavaRuntime.HOME + "/bin");
        return environment;
    }

    /** Labels of an image, by OCI's names. */
    Map<String, String> labels(String name, String title, String description) {
        Map<String, String> labels = new LinkedHashMap<>();
        String oci = "org.opencontainers.image.";
        labels.put(oci + "title", title);
        labels.put(oci + "description", description);
        labels.put(oci + "version", version);
        labels.put(oci + "created", time.toString());
        labels.put(oci + "licenses", "Apache-2.0");
        labels.put("training.lora.sbom", Sbom.FOLDER + "/" + name + ".cdx.json");
        return labels;
    }

    /** The NAME=VALUE lines of a file of settings. */
    Map<String, String> settings(String file) throws IOException {
        Map<String, String> settings = new LinkedHashMap<>();
        for (String line : Files.readAllLines(home.resolve(file))) {
            int equals = line.indexOf('=');
            if (!line.startsWith("#") && equals > 0) {
                settings.put(line.substring(0, equals), line.substring(equals + 1));
            }
        }
        return settings;
    }

    /** The build machine's, by whose packages an image is made. */
    String distribution() throws IOException {
        return "debian-"
                + settings("/etc/os-release").getOrDefault("VERSION_ID", "").replace("\"", "");
    }

    /** Lays out system and Java. */
    List<Layer> base(String name, List<String> modules, Sbom sbom) throws IOException, InterruptedException {
        Path folder = rootfs().resolve(name);
        Layer system = Layer.create(folder, "system");
        SystemLayer systemFiles = new SystemLayer();
        systemFiles.lay(system);
        for (DebianPackage from : systemFiles.packages()) {
            sbom.addPackage(from, distribution());
        }
        Layer java = Layer.create(folder, "java");
        JavaRuntime runtime = new JavaRuntime();
        runtime.lay(java, modules);
        DebianPackage jdk = runtime.source();
        SystemLayer.record(java, jdk);
        sbom.addPackage(jdk, distribution());
        return new ArrayList<>(List.of(system, java));
    }

    /** Adds licences and SBOM to the last layer, and gives all files their time. */
    Image finish(String name, String reference, ImageConfig config, List<Layer> layers, Sbom sbom) throws IOException {
        Layer last = layers.get(layers.size() - 1);
        for (String file : List.of("LICENSE", "NOTICE")) {
            last.copy(home.resolve(file), "/licenses/" + file);
        }
        String path = Sbom.FOLDER + "/" + name + ".cdx.json";
        last.write(path, sbom.json(name, version, time));
        for (Layer layer : layers) {
            layer.settle(time);
        }
        return new Image(name, prefix + reference, config, layers, last.at(path));
    }
}
