package training.lora.images;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** The trainer. Its native libraries lie ready, where each process would otherwise unpack them. */
final class TrainerImage {
    static final List<String> MODULES = List.of(
            "java.base",
            "java.compiler",
            "java.logging",
            "java.management",
            // Of Apache HttpClient, for names in certificates; it has jdk.net for its sockets.
            "java.naming",
            "java.net.http",
            "java.sql",
            "java.xml",
            "jdk.crypto.ec",
            "jdk.net",
            "jdk.unsupported",
            "jdk.zipfs");

    static final String HOME = "/opt/lora";

    private static final String OPENCV = "libopencv_java490.so";

    private static final List<String> ONNX_RUNTIME = List.of("libonnxruntime.so", "libonnxruntime4j_jni.so");

    private TrainerImage() {}

    /** Names of its layers, from that which changes least. */
    static List<String> layers(TorchNatives torch) {
        List<String> layers = new ArrayList<>(List.of("system", "java"));
        layers.addAll(torch.layers());
        layers.addAll(List.of("natives", "libraries", "bundled", "app"));
        return layers;
    }

    static ImageConfig config(Build build, TorchNatives torch) throws IOException {
        Map<String, String> environment = build.environment();
        environment.put("LORA_BUNDLED", HOME + "/bundled");
        environment.put("LORA_OPENCV_LIBRARY", TorchNatives.FOLDER + "/" + OPENCV);
        environment.put("ENGINE_CACHE_DIR", TorchNatives.FOLDER);
        environment.putAll(torch.environment());
        environment.putAll(build.settings("bin/trainer.env"));
        return new ImageConfig(
                environment,
                List.of(
                        JavaRuntime.JAVA,
                        "@" + HOME + "/trainer.args",
                        "-Duser.home=" + ImageConfig.HOME,
                        "-Djna.nounpack=true",
                        "-Djna.boot.library.path=" + TorchNatives.FOLDER,
                        "-Donnxruntime.native.path=" + TorchNatives.FOLDER,
                        "-cp",
                        HOME + "/app/*:" + HOME + "/lib/*",
                        "training.lora.trainer.cli.Main"),
                build.labels(torch.image(), "LoRA trainer", torch.description()));
    }

    static Image lay(Build build, TorchNatives torch) throws IOException, InterruptedException {
        String name = torch.image();
        Path target = build.home().resolve("trainer-runtime/target");
        Sbom sbom = new Sbom();
        List<Layer> layers = build.base(name, MODULES, sbom);
        Path folder = build.rootfs().resolve(name);
        Layer natives = Layer.create(folder, "natives");
        Layer libraries = Layer.create(folder, "libraries");
        Layer app = Layer.create(folder, "app");
        TrainerJars jars = TrainerJars.in(target.resolve("lib"));
        for (Jar jar : jars.all()) {
            if (jar.own()) {
                app.copy(jar.file(), HOME + "/app/" + jar.name());
            } else {
                jar.copyWithoutNatives(libraries, HOME + "/lib/" + jar.name());
            }
        }
        sbom.addJars(target.resolve("bom.json"), jars.all());
        layers.addAll(torch.lay(folder, natives, jars, sbom));
        natives(jars, natives);
        Commands.strip(natives.at(TorchNatives.FOLDER));
        for (DebianPackage from : PictureLibraries.lay(natives, layers.get(0))) {
            sbom.addPackage(from, build.distribution());
        }
        app.copy(target.resolve("trainer-runtime.jar"), HOME + "/app/trainer-runtime.jar");
        app.copy(build.home().resolve("bin/trainer.args"), HOME + "/trainer.args");
        Layer bundled = Layer.create(folder, "bundled");
        bundled.copyFolder(build.home().resolve("examples/bundled"), HOME + "/bundled");
        layers.addAll(List.of(natives, libraries, bundled, app));
        return build.finish(
                name, "lora-trainer:" + build.version() + torch.tagSuffix(), config(build, torch), layers, sbom);
    }

    /** Those beside PyTorch's, in the folders in which DJL looks for what it has unpacked before. */
    private static void natives(TrainerJars jars, Layer layer) throws IOException {
        Jar tokenizers = jars.find("tokenizers-");
        tokenizers.unpack(
                "native/lib/%s/cpu/libtokenizers.so".formatted(TorchNatives.PLATFORM),
                layer,
                "%s/tokenizers/%s-cpu-%s/libtokenizers.so"
                        .formatted(
                                TorchNatives.FOLDER,
                                TrainerJars.property(tokenizers, "native/lib/tokenizers.properties", "version"),
                                TorchNatives.PLATFORM));
        jars.find("opencv-")
                .unpack("nu/pattern/opencv/linux/x86_64/" + OPENCV, layer, TorchNatives.FOLDER + "/" + OPENCV);
        for (String library : ONNX_RUNTIME) {
            jars.find("onnxruntime-")
                    .unpack("ai/onnxruntime/native/linux-x64/" + library, layer, TorchNatives.FOLDER + "/" + library);
        }
        jars.find("jna-")
                .unpack(
                        "com/sun/jna/linux-x86-64/libjnidispatch.so",
                        layer,
                        TorchNatives.FOLDER + "/libjnidispatch.so");
    }
}
