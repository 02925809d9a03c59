package training.lora.trainer.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.Goldens;
import training.lora.trainer.files.Folders;
import training.lora.trainer.files.Sha256;

/** A run on pictures of 16 pixels with a base model put together from goldens, whose steps take milliseconds. */
final class TinyRun {
    static final String NAME = "tiny";

    final Path folder;
    final Path yaml;
    private final Path workspace;

    private TinyRun(Path folder, Path yaml, Path workspace) {
        this.folder = folder;
        this.yaml = yaml;
        this.workspace = workspace;
    }

    /** @param training the fields under spec.training */
    static TinyRun create(Path folder, String training) throws IOException {
        copyStableDiffusion(folder.resolve("base"));
        return sampled(folder, training, "{enabled: false}");
    }

    /** The same with other fields of the spec, which this class doesn't write. */
    static TinyRun create(Path folder, String training, String more) throws IOException {
        copyStableDiffusion(folder.resolve("base"));
        return create(folder, "baseModel: {uri: base}\n  " + more, training, "{enabled: false}", "{enabled: false}");
    }

    /** The same with a tiny SDXL as the base model. */
    static TinyRun createXl(Path folder, String training, String sampling) throws IOException {
        copyTree(Goldens.FOLDER.resolve("sdxl"), folder.resolve("base"));
        return sampled(folder, training, sampling);
    }

    private static void copyStableDiffusion(Path base) throws IOException {
        for (String[] part : new String[][] {
            {"unet-a", "unet", "diffusion_pytorch_model.safetensors"},
            {"vae-a", "vae", "diffusion_pytorch_model.safetensors"},
            {"clip-text-a", "text_encoder", "model.safetensors"}
        }) {
            copy(part[0], base.resolve(part[1]), "config.json", part[2]);
        }
        copy("clip-a", base.resolve("tokenizer"), "vocab.json", "merges.txt", "tokenizer_config.json");
        Files.writeString(base.resolve("model_index.json"), "{\"_class_name\": \"StableDiffusionPipeline\"}");
        Files.createDirectories(base.resolve("scheduler"));
        Files.writeString(base.resolve("scheduler/scheduler_config.json"), "{\"beta_schedule\": \"scaled_linear\"}");
    }

    private static TinyRun sampled(Path folder, String training, String sampling) throws IOException {
        return create(folder, "baseModel: {uri: base}", training, sampling, "{enabled: false}");
    }

    /**
     * The same with a base model that is there.
     *
     * @param base the field spec.baseModel, and others that this class doesn't write
     */
    static TinyRun create(Path folder, String base, String training, String sampling, String evaluation)
            throws IOException {
        for (String name : List.of("bat", "crab", "pear")) {
            Files.createDirectories(folder.resolve("data"));
            for (String end : List.of(".png", ".txt")) {
                Files.copy(
                        Goldens.BUNDLED.resolve("fluent-style/" + name + end),
                        folder.resolve("data").resolve(name + end));
            }
        }
        Path yaml = Files.writeString(
                folder.resolve("training.yaml"), """
                apiVersion: lora.training/v1alpha1
                kind: LoraTraining
                metadata: {name: %s}
                spec:
                  %s
                  datasets: [{uri: data}]
                  training: {%s}
                  sampling: %s
                  evaluation: %s
                """.formatted(NAME, base, training, sampling, evaluation));
        return new TinyRun(folder, yaml, folder.resolve("work"));
    }

    private static void copy(String golden, Path target, String... names) throws IOException {
        Files.createDirectories(target);
        for (String name : names) {
            Files.copy(Goldens.FOLDER.resolve(golden).resolve(name), target.resolve(name));
        }
    }

    /** The same run, whose pictures show {@code concept}, its fields. */
    TinyRun of(String concept) throws IOException {
        Files.writeString(
                yaml,
                Files.readString(yaml).replace("[{uri: data}]", "[{uri: data, concept: {%s}}]".formatted(concept)));
        return this;
    }

    /** The same run in another workspace. */
    TinyRun in(Path other) {
        return new TinyRun(folder, yaml, other);
    }

    /** The same run, with what it has come to so far, in another folder. */
    TinyRun copied(Path to) throws IOException {
        copyTree(folder, to);
        return new TinyRun(to, to.resolve(folder.relativize(yaml)), to.resolve(folder.relativize(workspace)));
    }

    /** All files below {@code from}. */
    static void copyTree(Path from, Path to) throws IOException {
        try (Stream<Path> files = Files.walk(from)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                Path target = to.resolve(from.relativize(file).toString());
                Files.createDirectories(target.getParent());
                Files.copy(file, target);
            }
        }
    }

    Path workspace() {
        return workspace;
    }

    /** As if it had been killed before it published. */
    void unpublish() throws IOException {
        Folders.delete(workspace.resolve("output"));
    }

    /** As if its first attempt, which came to step {@code last}, had ended at the state before the last checkpoint. */
    void interruptBefore(int last) throws IOException {
        Files.delete(state(last));
        Files.delete(workspace.resolve("train/summary.json"));
        Folders.delete(workspace.resolve("train/checkpoints/step-%06d".formatted(last)));
        unpublish();
    }

    /** The adapter that the train stage published. */
    byte[] lora() throws IOException {
        return Files.readAllBytes(workspace.resolve("output").resolve(NAME + ".safetensors"));
    }

    /** Runs a command in this process. */
    Ran run(String command, String... more) {
        return Ran.of(arguments(command, more).toArray(String[]::new));
    }

    /** The same with other variables than this process's. */
    Ran runWith(Function<String, @Nullable String> environment, String command, String... more) {
        return Ran.of(environment, arguments(command, more).toArray(String[]::new));
    }

    /** Starts a command in a process of its own, with its output in {@code process.log} of the workspace. */
    Process start(String command, String... more) throws IOException {
        return start(List.of(), command, more);
    }

    /** The same with variables of the environment, NAME=VALUE. */
    Process startWith(List<String> environment, String command, String... more) throws IOException {
        List<String> prefix = new ArrayList<>(List.of("env"));
        prefix.addAll(environment);
        return start(prefix, command, more);
    }

    /** Starts several runs together in a process of its own. */
    Process start(List<String> prefix, String command, List<Path> files, Path workspaces) throws IOException {
        List<String> arguments = new ArrayList<>(List.of(command));
        files.forEach(file -> arguments.add(file.toString()));
        arguments.addAll(List.of("--workspaces", workspaces.toString()));
        return process(prefix, arguments);
    }

    /** The same in a process that can write no file of more than {@code bytes}, as on a disk that is full by then. */
    Process startWithFilesUpTo(long bytes, String command, String... more) throws IOException {
        // The unit is 512 bytes in every POSIX shell.
        return start(List.of("sh", "-c", "ulimit -f %d && exec \"$@\"".formatted(bytes / 512), "sh"), command, more);
    }

    /** The same with words before the command, such as env and variables. */
    Process start(List<String> prefix, String command, String... more) throws IOException {
        return process(prefix, arguments(command, more));
    }

    private Process process(List<String> prefix, List<String> arguments) throws IOException {
        Files.createDirectories(workspace);
        List<String> line = new ArrayList<>(prefix);
        line.addAll(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-XX:-UsePerfData",
                "-Xmx512m",
                "-cp",
                System.getProperty("java.class.path"),
                Main.class.getName()));
        line.addAll(arguments);
        ProcessBuilder builder = new ProcessBuilder(line).redirectErrorStream(true);
        builder.redirectOutput(ProcessBuilder.Redirect.appendTo(log().toFile()));
        return builder.start();
    }

    /** What processes of this workspace wrote. */
    Path log() {
        return workspace.resolve("process.log");
    }

    /** Steps of the states that can be gone on from, in their order. */
    TreeSet<Integer> states() throws IOException {
        TreeSet<Integer> steps = new TreeSet<>();
        String[] names = workspace.resolve("train/state").toFile().list();
        for (String name : names == null ? new String[0] : names) {
            if (name.matches("step-\\d+\\.safetensors")) {
                steps.add(Integer.parseInt(name.substring(5, name.indexOf('.'))));
            }
        }
        return steps;
    }

    /** The file of a state. */
    Path state(int step) {
        return workspace.resolve("train/state").resolve("step-%06d.safetensors".formatted(step));
    }

    private List<String> arguments(String command, String... more) {
        List<String> arguments =
                new ArrayList<>(List.of(command, yaml.toString(), "--workspace", workspace.toString()));
        arguments.addAll(List.of(more));
        return arguments;
    }

    /** Digests of all files below {@code folder}, by name. */
    static TreeMap<String, String> digests(Path folder) throws IOException {
        TreeMap<String, String> digests = new TreeMap<>();
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                digests.put(folder.relativize(file).toString(), Sha256.of(file));
            }
        }
        return digests;
    }
}
