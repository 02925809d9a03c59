package training.lora.images;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** The operator: Quarkus' application as it is built. */
final class OperatorImage {
    static final String NAME = "lora-operator";

    static final List<String> MODULES = List.of(
            "java.base",
            "java.logging",
            "java.management",
            "java.naming",
            "java.net.http",
            "java.sql",
            "java.xml",
            "jdk.crypto.ec",
            "jdk.management",
            "jdk.unsupported",
            "jdk.zipfs");

    static final List<String> LAYERS = List.of("system", "java", "libraries", "app");

    private static final String HOME = "/opt/lora";

    private OperatorImage() {}

    static ImageConfig config(Build build) {
        Map<String, String> environment = build.environment();
        // An arena for each thread keeps free memory that the others can't use.
        environment.put("MALLOC_ARENA_MAX", "2");
        return new ImageConfig(
                environment,
                List.of(
                        JavaRuntime.JAVA,
                        "@" + HOME + "/operator.args",
                        "-Duser.home=" + ImageConfig.HOME,
                        "-jar",
                        HOME + "/quarkus-run.jar"),
                build.labels(
                        NAME,
                        "LoRA training's operator",
                        "Runs LoraTraining resources as Jobs of the trainer's image"));
    }

    static Image lay(Build build) throws IOException, InterruptedException {
        Path target = build.home().resolve("operator/target");
        Path application = target.resolve("quarkus-app");
        Sbom sbom = new Sbom();
        List<Layer> layers = build.base(NAME, MODULES, sbom);
        Path folder = build.rootfs().resolve(NAME);
        Layer libraries = Layer.create(folder, "libraries");
        Layer app = Layer.create(folder, "app");
        List<Jar> jars = Jar.in(application.resolve("lib"));
        for (Jar jar : jars) {
            (jar.own() ? app : libraries).copy(jar.file(), HOME + "/" + application.relativize(jar.file()));
        }
        sbom.addJars(target.resolve("bom.json"), jars);
        for (String name : List.of("app", "quarkus")) {
            app.copyFolder(application.resolve(name), HOME + "/" + name);
        }
        app.copy(application.resolve("quarkus-run.jar"), HOME + "/quarkus-run.jar");
        app.copy(build.home().resolve("bin/operator.args"), HOME + "/operator.args");
        layers.add(libraries);
        layers.add(app);
        return build.finish(NAME, NAME + ":" + build.version(), config(build), layers, sbom);
    }
}
