package training.lora.trainer.cli;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;
import training.lora.api.Json;
import training.lora.api.Manifest;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.adapter.AdapterModule;
import training.lora.trainer.adapter.Dora;
import training.lora.trainer.adapter.FullDifference;
import training.lora.trainer.export.AdapterFile;
import training.lora.trainer.export.FileKind;
import training.lora.trainer.export.LoraFamily;
import training.lora.trainer.export.TokenFiles;
import training.lora.trainer.files.FileDigests;
import training.lora.trainer.files.Leftovers;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.basemodel.ModelDigest;
import training.lora.trainer.model.basemodel.ModelKind;
import training.lora.trainer.model.basemodel.PartFiles;
import training.lora.trainer.model.basemodel.Schedule;
import training.lora.trainer.model.basemodel.SingleFileNoise;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.publish.Output;
import training.lora.trainer.tensor.ComputeDevice;
import training.lora.trainer.tensor.SafeTensors;

/** {@code inspect}: says what a file or folder is. */
@Command(
        name = "inspect",
        mixinStandardHelpOptions = true,
        description =
                "Says what a LoRA, a base model, an embedding or a run's output is and holds; refuses others by name.")
final class InspectCommand implements Callable<Integer> {
    /** Characters of a metadata value that are shown. */
    private static final int SHOWN = 200;

    /** Parts of a checkpoint by the first word of their tensors' names. */
    private static final Map<String, String> PARTS = Map.of(
            "model", "unet",
            "first_stage_model", "vae",
            "cond_stage_model", "text_encoder",
            "conditioner", "text_encoders");

    @Parameters(
            paramLabel = "PATH",
            description = "A .safetensors file, a diffusers folder, or a run's workspace or output.")
    private Path path = Path.of("");

    @Override
    public Integer call() throws IOException {
        Path own = path.resolve("output");
        // Of a run's workspace, or the output itself.
        Path place = Files.exists(own.resolve(Output.MANIFEST)) ? own : path;
        if (Files.exists(place.resolve(Output.MANIFEST))) {
            Path output = place.toAbsolutePath().normalize();
            Summary.print(
                    Json.MAPPER.readValue(output.resolve(Output.MANIFEST).toFile(), Manifest.class),
                    output,
                    output.toString(),
                    System.out);
        } else if (Files.isDirectory(path)) {
            if (!Files.exists(path.resolve(PartFiles.INDEX))) {
                requireNoRun();
            }
            try (NDManager manager = ComputeDevice.CPU.newManager()) {
                model(manager);
            }
        } else {
            file();
        }
        return 0;
    }

    /** Of a run's folder without a result it is said why it has none, not what it lacks to be a model. */
    private void requireNoRun() {
        for (Path output : List.of(path, path.resolve("output"))) {
            if (Output.isUnfinished(output)) {
                throw new TrainerException(
                        Reason.InvalidConfiguration,
                        "%s must be the output of a run that has ended, but this one's has not: the command that began it goes on"
                                .formatted(output));
            }
        }
        if (Leftovers.isWorkspace(path)) {
            Path checkpoints = path.resolve("train/checkpoints");
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "%s must be a run's workspace with its output inside, but there is none: the run has not ended, or publishes elsewhere, to what --output or `spec.output.uri` names%s"
                            .formatted(
                                    path,
                                    Files.isDirectory(checkpoints)
                                            ? "; files of checkpoints are below " + checkpoints
                                            : ""));
        }
    }

    private void file() {
        FileKind kind;
        try (SafeTensors file = SafeTensors.open(path)) {
            kind = FileKind.of(file);
            switch (kind.role()) {
                case Checkpoint -> checkpoint(Objects.requireNonNull(ModelKind.of(file.entries())), file);
                case Embedding -> embedding(kind, file);
                case Adapter, None -> {}
            }
        }
        if (kind.role() == FileKind.Role.Adapter || kind.role() == FileKind.Role.None) {
            // Refuses by name what is none.
            adapter();
        }
    }

    private void model(NDManager manager) throws IOException {
        try (StableDiffusion model = StableDiffusion.open(path, manager)) {
            say("what", "a base model, family " + model.family());
            say("resolution", model.resolution() + " pixels");
            say("schedule", described(model.schedule()));
            say("projections", model.unet().projections().size());
            say("sha256", ModelDigest.of(path, null, FileDigests.computed()));
        }
    }

    private static String described(Schedule schedule) {
        return "%d timesteps, betas from %s to %s (%s), predicts %s%s"
                .formatted(
                        schedule.trainTimesteps(),
                        schedule.betaStart(),
                        schedule.betaEnd(),
                        schedule.betas(),
                        schedule.prediction(),
                        schedule.zeroTerminalSnr() ? ", down to zero SNR" : "");
    }

    private static void checkpoint(ModelKind kind, SafeTensors file) {
        say("what", kind.what());
        say("family", kind.family() == null ? "none that can be trained here" : kind.family());
        Map<String, Long> parts = new TreeMap<>();
        Map<String, Long> types = new TreeMap<>();
        file.entries().forEach((name, entry) -> {
            parts.merge(
                    PARTS.getOrDefault(name.substring(0, Math.max(0, name.indexOf('.'))), "other"),
                    entry.size(),
                    Long::sum);
            types.merge(entry.dtype(), entry.size(), Long::sum);
        });
        parts.forEach((part, parameters) -> say(part, parameters + " parameters"));
        say("types", types);
        SingleFileNoise noise = SingleFileNoise.of(file.entries().keySet(), file.metadata());
        say("prediction", noise.prediction().replace("_prediction", "") + ", " + noise.because());
        say("zero SNR", noise.zeroTerminalSnr() ? "yes, by the marker ztsnr" : "no");
        say("as base model", usable(file.file()));
        metadata(file.metadata());
    }

    private static String usable(Path file) {
        try (NDManager manager = ComputeDevice.CPU.newManager();
                StableDiffusion model = StableDiffusion.open(file, manager)) {
            return "for pictures of " + model.resolution() + " pixels";
        } catch (TrainerException e) {
            return "no: " + e.getMessage();
        }
    }

    private static void embedding(FileKind kind, SafeTensors file) {
        say("what", kind.what());
        file.entries().forEach((name, e) -> say(name, "%d vectors of width %d".formatted(e.shape()[0], e.shape()[1])));
        metadata(file.metadata());
    }

    private void adapter() {
        try (AdapterFile file = AdapterFile.open(path)) {
            TreeSet<Integer> ranks = new TreeSet<>();
            TreeSet<Double> alphas = new TreeSet<>();
            TreeSet<String> stabilized = new TreeSet<>();
            TreeSet<String> magnitudes = new TreeSet<>();
            Map<Component, Norms> norms = new EnumMap<>(Component.class);
            file.modules().forEach(m -> {
                if (!(m.form().kind() instanceof FullDifference)) {
                    ranks.add(m.form().rank());
                    alphas.add(m.form().kind().alpha());
                    stabilized.add(m.form().kind().rankStabilized() ? "alpha / sqrt(rank)" : "alpha / rank");
                }
                if (m.form().kind() instanceof Dora dora) {
                    magnitudes.add(dora.norm().reader());
                }
                norms.computeIfAbsent(m.form().component(), c -> new Norms()).add(m);
            });
            Map<String, String> meta = file.metadata();
            LoraFamily family = file.family();
            say("what", file.what() + (file.form().isEmpty() ? "" : " in " + file.form()));
            say("family", family == null ? "unknown: neither metadata nor tensors tell" : family);
            say("base", meta.getOrDefault("ss_sd_model_name", "unknown: the file doesn't tell"));
            say("trigger", meta.getOrDefault("modelspec.trigger_phrase", "unknown: the file doesn't tell"));
            file.tokens().forEach((word, rows) -> say("tokens", "%s: %s".formatted(word, TokenFiles.describe(rows))));
            if (!ranks.isEmpty()) {
                say("rank", ranks);
                say("alpha", alphas);
                say("scale", String.join(", ", stabilized));
            }
            if (!magnitudes.isEmpty()) {
                say("magnitudes", "of outputs, for " + String.join(" and ", magnitudes));
            }
            norms.forEach((component, n) -> say(component.folder(), n));
            if (!file.onlyElsewhere().isEmpty()) {
                say("applied here", "no, for it adapts " + String.join(", ", file.onlyElsewhere()));
            }
            metadata(meta);
        }
    }

    private static void metadata(Map<String, String> metadata) {
        new TreeMap<>(metadata)
                .forEach((key, value) -> say(
                        "metadata",
                        key + " = "
                                + (value.length() <= SHOWN
                                        ? value
                                        : value.substring(0, SHOWN) + "… (" + value.length() + " characters)")));
    }

    private static void say(String label, Object value) {
        System.out.printf("%-14s %s%n", label, value);
    }

    /** Norms of a component's products, which of a LoRA are the changes of the weights. */
    private static final class Norms {
        private int modules;
        private boolean decomposed;
        private long parameters;
        private double sum;
        private double greatest;

        void add(AdapterModule module) {
            double norm = module.norm();
            modules++;
            decomposed |= module.form().kind() instanceof Dora;
            parameters += module.form().size();
            sum += norm;
            greatest = Math.max(greatest, norm);
        }

        @Override
        public String toString() {
            return "%d modules, %d parameters, norm of the %s %.4f mean, %.4f greatest"
                    .formatted(modules, parameters, decomposed ? "product" : "change", sum / modules, greatest);
        }
    }
}
