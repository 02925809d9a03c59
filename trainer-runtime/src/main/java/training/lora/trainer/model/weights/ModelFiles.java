package training.lora.trainer.model.weights;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.tensor.SafeTensors;

/** Finds the files of a model folder. */
public final class ModelFiles {
    private ModelFiles() {}

    /**
     * Opens {@code folder}/{@code stem}.safetensors, the index of its shards, or the fp16 variant of either; a pickle in
     * their place is refused.
     */
    public static SafeTensors weights(Path folder, String stem) {
        for (String name : List.of(
                stem + ".safetensors",
                stem + ".safetensors.index.json",
                stem + ".fp16.safetensors",
                stem + ".safetensors.index.fp16.json")) {
            Path file = folder.resolve(name);
            if (Files.isRegularFile(file)) {
                try {
                    return name.endsWith(".json") ? SafeTensors.openSharded(file) : SafeTensors.open(file);
                } catch (TrainerException e) {
                    throw new TrainerException(Reason.InvalidBaseModel, String.valueOf(e.getMessage()), e);
                }
            }
        }
        for (String name : List.of(stem + ".bin", "pytorch_model.bin", stem + ".fp16.bin")) {
            if (Files.isRegularFile(folder.resolve(name))) {
                throw new TrainerException(
                        Reason.InvalidBaseModel,
                        folder.resolve(name)
                                + " must be a .safetensors file: a pickle can run code and is never opened;"
                                + " convert it with diffusers' save_pretrained(…, safe_serialization=True)");
            }
        }
        throw new TrainerException(
                Reason.InvalidBaseModel, folder.resolve(stem + ".safetensors") + " must be there, the model's weights");
    }
}
