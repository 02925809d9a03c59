package training.lora.trainer.model.basemodel;

import ai.djl.ndarray.NDManager;
import java.nio.file.Path;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.weights.Config;
import training.lora.trainer.model.weights.ModelFiles;
import training.lora.trainer.model.weights.ParameterSet;
import training.lora.trainer.model.weights.PartSource;
import training.lora.trainer.tensor.SafeTensors;

/** A network in its folder of diffusers' form: config.json beside safetensors. */
public record FolderPart(Path folder, Part part) implements PartSource {
    @Override
    public Config config() {
        return Config.read(folder.resolve("config.json"));
    }

    @Override
    public void check(ParameterSet weights) {
        try (SafeTensors file = ModelFiles.weights(folder, part.stem())) {
            weights.check(file, name -> find(file.entries().keySet(), name));
        }
    }

    @Override
    public void load(ParameterSet weights, NDManager manager) {
        try (SafeTensors file = ModelFiles.weights(folder, part.stem())) {
            weights.load(file, name -> find(file.entries().keySet(), name), manager);
        }
    }

    @Nullable String find(Set<String> names, String name) {
        return switch (part) {
            case UNet -> names.contains(name) ? name : null;
            case Vae -> VaeStateDictAdapter.find(names, name);
            case TextEncoder, TextEncoder2 -> ClipStateDictAdapter.find(names, name);
        };
    }
}
