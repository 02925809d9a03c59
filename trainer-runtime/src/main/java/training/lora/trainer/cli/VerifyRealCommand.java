package training.lora.trainer.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.Folders;

/** {@code verify-real}: a short training on weights that the project's own machines can't have, and a report of it. */
@Command(
        name = "verify-real",
        mixinStandardHelpOptions = true,
        description = "Trains for a few steps on a real base model and writes a dated report: speed, memory, losses and"
                + " pictures with the base model alone and with the LoRA.")
final class VerifyRealCommand implements Callable<Integer> {
    static final String NAME = "verify-real";

    /** High enough that a few dozen steps move the pictures. */
    private static final double LEARNING_RATE = 3e-4;

    private static final DateTimeFormatter STAMP =
            DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HHmm'Z'").withZone(ZoneOffset.UTC);

    private final Function<String, @Nullable String> environment;

    @Spec
    private CommandSpec command = CommandSpec.create();

    @Option(
            names = "--base",
            required = true,
            paramLabel = "URI",
            description =
                    "The base model, as baseModel.uri has it: hf://OWNER/REPOSITORY, https://…, a path, or bundled://NAME.")
    private String base = "";

    @Option(
            names = "--data",
            required = true,
            paramLabel = "URI",
            description = "Pictures with captions: a folder or a .zip of NAME.png with NAME.txt.")
    private String data = "";

    @Option(
            names = "--clip",
            paramLabel = "URI",
            description = "A CLIP model; with it the pictures are measured too. Default: they are not.")
    private @Nullable String clip;

    @Mixin
    private DeviceOption device = new DeviceOption();

    @Option(names = "--steps", paramLabel = "N", description = "Steps to train; default 40.", defaultValue = "40")
    private int steps;

    @Option(
            names = "--set",
            paramLabel = "FIELD=VALUE",
            description = "Replaces a field under spec, such as training.batchSize=4; may be repeated.")
    private List<String> settings = new ArrayList<>();

    @Option(
            names = "--out",
            paramLabel = "DIR",
            description =
                    "Where it works and reports; a run that was cut off goes on there. Default: verify-real-<date>.")
    private @Nullable Path out;

    VerifyRealCommand(Function<String, @Nullable String> environment) {
        this.environment = environment;
    }

    @Override
    public Integer call() throws IOException {
        Instant now = Instant.now();
        Path folder = out != null ? out : Path.of(NAME + "-" + STAMP.format(now));
        Folders.create("--out", folder);
        Path file = folder.resolve("training.yaml");
        if (Files.exists(file) && !isOwn(file)) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`--out` %s must be a folder that is new or holds an earlier report, but its training.yaml is another's"
                            .formatted(folder));
        }
        Json.STRICT_YAML.writeValue(file.toFile(), training());
        Path workspace = folder.resolve("run");
        List<String> arguments = new ArrayList<>(
                List.of("run", file.toString(), "--workspace", workspace.toString(), "--device", device.wanted()));
        for (String setting : settings) {
            arguments.addAll(List.of("--set", setting));
        }
        GpuMonitor gpu = GpuMonitor.start(GpuMonitor.COMMAND, device.card());
        int code;
        try (gpu) {
            code = Main.execute(environment, arguments.toArray(String[]::new));
        }
        if (code != 0) {
            return code;
        }
        String version = String.join(" ", command.root().version());
        Path report = RealReport.read(workspace).write(folder, now, version, gpu);
        System.out.println("The report is " + report);
        return 0;
    }

    private static boolean isOwn(Path file) throws IOException {
        try {
            return Json.STRICT_YAML
                    .readTree(file.toFile())
                    .at("/metadata/name")
                    .asText()
                    .equals(NAME);
        } catch (JsonProcessingException e) {
            return false;
        }
    }

    private ObjectNode training() {
        ObjectNode root = Json.MAPPER.createObjectNode();
        root.put("apiVersion", "lora.training/v1alpha1").put("kind", "LoraTraining");
        root.putObject("metadata").put("name", NAME);
        ObjectNode spec = root.putObject("spec");
        spec.putObject("baseModel").put("uri", absolute(base));
        spec.putArray("datasets").addObject().put("uri", absolute(data));
        ObjectNode training = spec.putObject("training").put("steps", steps);
        training.putObject("optimizer").put("learningRate", LEARNING_RATE);
        training.putObject("checkpoints").put("everySteps", steps);
        ObjectNode evaluation = spec.putObject("evaluation").put("enabled", clip != null);
        if (clip != null) {
            evaluation.putObject("clip").put("uri", absolute(clip));
        }
        return root;
    }

    /** A path as the file in another folder has to name it. */
    private static String absolute(String uri) {
        return uri.contains("://")
                ? uri
                : Path.of(uri).toAbsolutePath().normalize().toString();
    }
}
