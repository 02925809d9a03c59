package training.lora.trainer.cli;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;
import training.lora.api.AdapterFormat;
import training.lora.trainer.export.AdapterFiles;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.publish.Publisher;
import training.lora.trainer.tensor.SafeTensors;

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
                adapter(manager);
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

    private void adapter(NDManager manager) {
        try (SafeTensors file = SafeTensors.open(path)) {
            AdapterFormat format = AdapterFiles.format(file);
            String marker = format == AdapterFormat.Kohya ? ".lora_down.weight" : ".lora_A.weight";
            TreeSet<Long> ranks = new TreeSet<>();
            TreeSet<String> alphas = new TreeSet<>();
            Map<String, Double> norms = new TreeMap<>();
            long parameters = 0;
            for (Map.Entry<String, SafeTensors.Entry> e : file.entries().entrySet()) {
                parameters += e.getValue().size();
                if (e.getKey().endsWith(marker)) {
                    ranks.add(e.getValue().shape()[0]);
                }
                try (NDArray values = file.read(e.getKey(), manager)) {
                    if (e.getKey().endsWith(".alpha")) {
                        alphas.add(Float.toString(values.getFloat()));
                    } else if (e.getKey().contains("lora_up") || e.getKey().contains("lora_B")) {
                        norms.put(e.getKey(), (double) values.norm().getFloat());
                    }
                }
            }
            System.out.printf(
                    "what        a LoRA in %s form%n", format == AdapterFormat.Kohya ? "kohya's" : "diffusers'");
            System.out.printf("modules     %d, %d parameters%n", norms.size(), parameters);
            System.out.printf("rank        %s%n", ranks);
            System.out.printf("alpha       %s%n", alphas.isEmpty() ? "see metadata" : alphas);
            System.out.printf(
                    "norm of B   %.4f mean, %.4f greatest%n",
                    norms.values().stream().mapToDouble(d -> d).average().orElse(0),
                    norms.values().stream().mapToDouble(d -> d).max().orElse(0));
            file.metadata().forEach((k, v) -> System.out.printf("metadata    %s = %s%n", k, v));
        }
    }
}
