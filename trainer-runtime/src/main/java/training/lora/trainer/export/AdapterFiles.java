package training.lora.trainer.export;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import training.lora.api.AdapterFormat;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.LoraAdapter.Factors;
import training.lora.trainer.model.Projection;
import training.lora.trainer.model.UNet;
import training.lora.trainer.tensor.SafeTensors;

/** Reads LoRA files in kohya's and in diffusers' form; others are refused by name. */
public final class AdapterFiles {
    static final String KOHYA_PREFIX = "lora_unet_";

    private AdapterFiles() {}

    /** Reads {@code file} for that denoiser. */
    public static LoraAdapter read(Path file, UNet unet, NDManager manager) {
        return LoraAdapter.of(unet.projections(), factors(file, unet.projections()), manager);
    }

    /** The form of {@code file}, by its tensors' names. */
    public static AdapterFormat format(SafeTensors file) {
        Set<String> names = file.entries().keySet();
        if (names.stream().anyMatch(n -> n.startsWith(KOHYA_PREFIX) && n.endsWith(".lora_down.weight"))) {
            return AdapterFormat.Kohya;
        }
        if (names.stream().anyMatch(n -> n.startsWith("unet.") && n.endsWith(".lora_A.weight"))) {
            return AdapterFormat.Diffusers;
        }
        throw new TrainerException(
                Reason.InvalidConfiguration,
                file.file() + " must be a LoRA of a denoiser, in kohya's or diffusers' form, but holds "
                        + names.stream().limit(3).toList());
    }

    /**
     * The factors by the projection's path.
     *
     * @throws TrainerException InvalidConfiguration if a tensor fits none of {@code projections}, with all of these
     */
    static Map<String, Factors> factors(Path path, List<Projection> projections) {
        try (SafeTensors file = SafeTensors.open(path);
                NDManager manager = NDManager.newBaseManager("PyTorch")) {
            boolean kohya = format(file) == AdapterFormat.Kohya;
            JsonNode config = kohya ? Json.MAPPER.createObjectNode() : config(file);
            Set<String> left = new TreeSet<>(file.entries().keySet());
            List<String> problems = new ArrayList<>();
            Map<String, Factors> result = new LinkedHashMap<>();
            for (Projection p : projections) {
                String module = kohya ? KOHYA_PREFIX + p.path().replace('.', '_') : "unet." + p.path();
                String down = module + (kohya ? ".lora_down.weight" : ".lora_A.weight");
                String up = module + (kohya ? ".lora_up.weight" : ".lora_B.weight");
                if (!left.remove(down) | !left.remove(up)) {
                    continue;
                }
                int rank = (int) file.entry(down).shape()[0];
                double alpha = rank;
                if (kohya && left.remove(module + ".alpha")) {
                    try (NDArray scalar = file.read(module + ".alpha", manager)) {
                        alpha = scalar.getFloat();
                    }
                } else if (config.has("unet.lora_alpha")) {
                    alpha = config.path("unet.alpha_pattern")
                            .path(p.path())
                            .asDouble(config.get("unet.lora_alpha").asDouble());
                }
                if (file.entry(down).size() != rank * p.in() || file.entry(up).size() != rank * p.out()) {
                    problems.add(module + " doesn't fit a projection from " + p.in() + " to " + p.out());
                    continue;
                }
                try (NDArray a = file.read(down, manager);
                        NDArray b = file.read(up, manager)) {
                    result.put(p.path(), new Factors(rank, alpha, a.toFloatArray(), b.toFloatArray()));
                }
            }
            left.stream().limit(5).forEach(name -> problems.add(name + " has no place in it"));
            if (!problems.isEmpty()) {
                throw new TrainerException(
                        Reason.InvalidConfiguration,
                        path + " must be a LoRA of this base model's family: " + String.join("; ", problems));
            }
            return result;
        }
    }

    private static JsonNode config(SafeTensors file) {
        try {
            return Json.MAPPER.readTree(file.metadata().getOrDefault("lora_adapter_metadata", "{}"));
        } catch (JsonProcessingException e) {
            throw new TrainerException(
                    Reason.InvalidConfiguration, file.file() + " must have JSON as its lora_adapter_metadata", e);
        }
    }
}
