package training.lora.images;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Properties;
import java.util.zip.ZipFile;

/** The trainer's libraries, as its build has collected them. */
record TrainerJars(List<Jar> all) {
    TrainerJars {
        all = List.copyOf(all);
    }

    static TrainerJars in(Path folder) throws IOException {
        return new TrainerJars(Jar.in(folder));
    }

    /** PyTorch's natives for CPUs. */
    Jar torch() throws IOException {
        return find("pytorch-native-cpu-");
    }

    /** DJL's glue between Java and PyTorch's natives. */
    Jar glue() throws IOException {
        return find("pytorch-jni-");
    }

    String torchVersion() throws IOException {
        return property(torch(), "native/lib/pytorch.properties", "version");
    }

    /** Names of PyTorch's libraries for CPUs. */
    List<String> torchLibraries() throws IOException {
        return List.of(
                property(torch(), "native/lib/pytorch.properties", "libraries").split(","));
    }

    /** It stands last in the version of DJL's glue. */
    String djlVersion() throws IOException {
        return property(glue(), "jnilib/pytorch.properties", "jni_version").replaceFirst(".*-", "");
    }

    /** The one whose name starts so. */
    Jar find(String start) throws IOException {
        return all.stream()
                .filter(jar -> jar.name().startsWith(start))
                .findFirst()
                .orElseThrow(() -> new IOException("the trainer must have a library " + start + "*.jar"));
    }

    static String property(Jar jar, String entry, String name) throws IOException {
        try (ZipFile zip = new ZipFile(jar.file().toFile());
                InputStream in = Entry.open(zip, entry, jar.file())) {
            Properties properties = new Properties();
            properties.load(in);
            String value = properties.getProperty(name);
            if (value == null) {
                throw new IOException("%s of %s must name %s".formatted(entry, jar.file(), name));
            }
            return value;
        }
    }
}
