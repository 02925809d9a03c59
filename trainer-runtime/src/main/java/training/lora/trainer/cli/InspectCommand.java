package training.lora.trainer.cli;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;
import training.lora.api.AdapterFormat;
import training.lora.trainer.adapter.AdapterModule;
import training.lora.trainer.export.AdapterFile;
import training.lora.trainer.export.LoraFamily;
import training.lora.trainer.model.Component;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.publish.Publisher;

/** {@code inspect}: says what a file or folder is. */
@Command(
        name = "inspect",
        mixinStandardHelpOptions = true,
        description = "Says what a LoRA file, a base model's folder or a run's output is and holds.")
final class InspectCommand implements Callable<Integer> {
    @Parameters(paramLabel = "PATH", description = "A .safetensors file, a diffusers folder, or the output of a run.")
    private Path path = Path.of("");

    @Override
    public Integer call() throws IOException {
        if (Files.exists(path.resolve(Publisher.MANIFEST))) {
            Summary.print(path.toAbsolutePath().normalize(), System.out);
            return 0;
        }
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            if (Files.isDirectory(path)) {
                model(manager);
            } else {
                adapter();
            }
        }
        return 0;
    }

    private void model(NDManager manager) {
        try (StableDiffusion model = StableDiffusion.open(path, manager)) {
            System.out.printf("what        a base model, family %s%n", model.family());
            System.out.printf("resolution  %d pixels%n", model.resolution());
            System.out.printf("schedule    %s%n", model.schedule());
            System.out.printf("projections %d%n", model.unet().projections().size());
            System.out.printf("sha256      %s%n", model.digest());
        }
    }

    private void adapter() {
        try (AdapterFile file = AdapterFile.open(path)) {
            TreeSet<Integer> ranks = new TreeSet<>();
            TreeSet<Double> alphas = new TreeSet<>();
            Map<Component, Norms> norms = new EnumMap<>(Component.class);
            file.modules().forEach(m -> {
                ranks.add(m.rank());
                alphas.add(m.alpha());
                norms.computeIfAbsent(m.component(), c -> new Norms()).add(m);
            });
            LoraFamily family = file.family();
            System.out.printf(
                    "what        a LoRA in %s form%n", file.format() == AdapterFormat.Kohya ? "kohya's" : "diffusers'");
            System.out.printf("family      %s%n", family == null ? "unknown: neither names nor shapes tell" : family);
            System.out.printf("rank        %s%n", ranks);
            System.out.printf("alpha       %s%n", alphas);
            norms.forEach((component, n) -> System.out.printf("%-11s %s%n", component.folder(), n));
            file.metadata().forEach((k, v) -> System.out.printf("metadata    %s = %s%n", k, v));
        }
    }

    /** Norms of a component's changes. */
    private static final class Norms {
        private int modules;
        private long parameters;
        private double sum;
        private double greatest;

        void add(AdapterModule module) {
            double norm = module.norm();
            modules++;
            parameters += module.down().length + module.up().length;
            sum += norm;
            greatest = Math.max(greatest, norm);
        }

        @Override
        public String toString() {
            return "%d modules, %d parameters, norm of the change %.4f mean, %.4f greatest"
                    .formatted(modules, parameters, sum / modules, greatest);
        }
    }
}
