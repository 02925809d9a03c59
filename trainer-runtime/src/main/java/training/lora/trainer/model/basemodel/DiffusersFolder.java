package training.lora.trainer.model.basemodel;

import java.nio.file.Path;
import training.lora.api.ModelFamily;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.model.text.Tokenizer;
import training.lora.trainer.model.unet.UNetConfig;
import training.lora.trainer.model.weights.Config;
import training.lora.trainer.model.weights.PartSource;

/** A base model as a folder of diffusers' form. */
public record DiffusersFolder(Path folder, ModelFamily family) implements ModelSource {
    public static DiffusersFolder open(Path folder) {
        Config index = Config.read(folder.resolve("model_index.json"));
        ModelFamily family =
                switch (index.text("_class_name", "")) {
                    case "StableDiffusionPipeline" -> ModelFamily.SD15;
                    case "StableDiffusionXLPipeline" -> ModelFamily.SDXL;
                    default -> throw index.wrong("_class_name", "StableDiffusionPipeline or StableDiffusionXLPipeline");
                };
        UNetConfig unet = UNetConfig.read(folder.resolve("unet/config.json"));
        if (family == ModelFamily.SD15 && unet.contextWidth() == ModelKind.SD2_CONTEXT) {
            throw new TrainerException(
                    Reason.InvalidBaseModel,
                    folder + " must hold Stable Diffusion 1.x or SDXL, but holds Stable Diffusion 2.x");
        }
        return new DiffusersFolder(folder, family);
    }

    @Override
    public PartSource part(Part part) {
        return new FolderPart(folder.resolve(part.folder()), part);
    }

    @Override
    public Config scheduler() {
        return Config.read(folder.resolve("scheduler/scheduler_config.json"));
    }

    @Override
    public Tokenizer tokenizer(Part encoder) {
        return Tokenizer.open(folder.resolve(encoder == Part.TextEncoder2 ? "tokenizer_2" : "tokenizer"));
    }
}
