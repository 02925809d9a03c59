package training.lora.images;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.zip.ZipFile;

/** The trainer, for CPUs. Its native libraries lie ready, where each process would otherwise unpack them. */
final class TrainerImage {
    static final String NAME = "lora-trainer-cpu";

    static final List<String> MODULES = List.of(
            "java.base",
            "java.compiler",
            "java.logging",
            "java.management",
            "java.net.http",
            "java.sql",
            "java.xml",
            "jdk.crypto.ec",
            "jdk.unsupported",
            "jdk.zipfs");

    static final List<String> LAYERS = List.of("system", "java", "natives", "libraries", "bundled", "app");

    private static final String HOME = "/opt/lora";
    private static final String NATIVES = HOME + "/natives";
    private static final String OPENCV = "libopencv_java490.so";
    private static final String PLATFORM = "linux-x86_64";

    private TrainerImage() {}

    static ImageConfig config(Build build) throws IOException {
        Map<String, String> environment = build.environment();
        environment.put("LORA_BUNDLED", HOME + "/bundled");
        environment.put("LORA_OPENCV_LIBRARY", NATIVES + "/" + OPENCV);
        environment.put("ENGINE_CACHE_DIR", NATIVES);
        environment.putAll(build.settings("bin/trainer.env"));
        return new ImageConfig(
                environment,
                List.of(
                        JavaRuntime.JAVA,
                        "@" + HOME + "/trainer.args",
                        "-Duser.home=" + ImageConfig.HOME,
                        "-Djna.nounpack=true",
                        "-Djna.boot.library.path=" + NATIVES,
                        "-cp",
                        HOME + "/app/*:" + HOME + "/lib/*",
                        "training.lora.trainer.cli.Main"),
                build.labels(NAME, "LoRA trainer", "Prepares, trains and evaluates adapters for Stable Diffusion"));
    }

    static Image lay(Build build) throws IOException, InterruptedException {
        Path target = build.home().resolve("trainer-runtime/target");
        Sbom sbom = new Sbom();
        List<Layer> layers = build.base(NAME, MODULES, sbom);
        Path folder = build.rootfs().resolve(NAME);
        Layer natives = Layer.create(folder, "natives");
        Layer libraries = Layer.create(folder, "libraries");
        Layer app = Layer.create(folder, "app");
        List<Jar> jars = new ArrayList<>(Jar.in(target.resolve("lib")));
        for (Jar jar : jars) {
            if (jar.own()) {
                app.copy(jar.file(), HOME + "/app/" + jar.name());
            } else {
                jar.copyWithoutNatives(libraries, HOME + "/lib/" + jar.name());
            }
        }
        sbom.addJars(target.resolve("bom.json"), jars);
        natives(jars, natives);
        app.copy(target.resolve("trainer-runtime.jar"), HOME + "/app/trainer-runtime.jar");
        app.copy(build.home().resolve("bin/trainer.args"), HOME + "/trainer.args");
        Layer bundled = Layer.create(folder, "bundled");
        bundled.copyFolder(build.home().resolve("examples/bundled"), HOME + "/bundled");
        layers.addAll(List.of(natives, libraries, bundled, app));
        return build.finish(NAME, "lora-trainer:" + build.version(), config(build), layers, sbom);
    }

    /** In the folders in which DJL looks for what it has unpacked before. */
    private static void natives(List<Jar> jars, Layer layer) throws IOException {
        Jar torch = find(jars, "pytorch-native-cpu-");
        Jar glue = find(jars, "pytorch-jni-");
        Jar tokenizers = find(jars, "tokenizers-");
        Properties torchFacts = properties(torch, "native/lib/pytorch.properties");
        String cpu = "-cpu-" + PLATFORM;
        String folder = NATIVES + "/pytorch/" + torchFacts.getProperty("version") + cpu;
        for (String library : torchFacts.getProperty("libraries").split(",")) {
            torch.unpack("pytorch/cpu/" + PLATFORM + "/" + library, layer, folder + "/" + library);
        }
        // Named after the version of DJL, which is what stands last in that of its glue.
        String djl = properties(glue, "jnilib/pytorch.properties")
                .getProperty("jni_version")
                .replaceFirst(".*-", "");
        glue.unpack("jnilib/" + PLATFORM + "/cpu/libdjl_torch.so", layer, folder + "/" + djl + "-libdjl_torch.so");
        tokenizers.unpack(
                "native/lib/" + PLATFORM + "/cpu/libtokenizers.so",
                layer,
                NATIVES + "/tokenizers/"
                        + properties(tokenizers, "native/lib/tokenizers.properties")
                                .getProperty("version") + cpu
                        + "/libtokenizers.so");
        find(jars, "opencv-").unpack("nu/pattern/opencv/linux/x86_64/" + OPENCV, layer, NATIVES + "/" + OPENCV);
        find(jars, "jna-").unpack("com/sun/jna/linux-x86-64/libjnidispatch.so", layer, NATIVES + "/libjnidispatch.so");
    }

    private static Jar find(List<Jar> jars, String start) throws IOException {
        return jars.stream()
                .filter(jar -> jar.name().startsWith(start))
                .findFirst()
                .orElseThrow(() -> new IOException("the trainer must have a library " + start + "*.jar"));
    }

    private static Properties properties(Jar jar, String entry) throws IOException {
        Properties properties = new Properties();
        try (ZipFile zip = new ZipFile(jar.file().toFile())) {
            properties.load(zip.getInputStream(zip.getEntry(entry)));
        }
        return properties;
    }
}
