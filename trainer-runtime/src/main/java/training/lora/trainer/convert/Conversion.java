package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.TrainerException;

/** Reads a configuration of another trainer. */
public final class Conversion {
    private Conversion() {}

    /** The tool whose configuration {@code file} is, by its keys; null where it is none, or is no file. */
    public static @Nullable Tool recognise(Path file) {
        if (!Files.isRegularFile(file)) {
            return null;
        }
        JsonNode root;
        try {
            root = ConfigText.read(file);
        } catch (TrainerException e) {
            // Whoever reads it as a LoraTraining says what is wrong with it.
            return null;
        }
        if (root.has("apiVersion") || root.has("spec")) {
            return null;
        }
        return root.has("lora_training_urls") || (root.has("concept_mode") && root.has("max_train_steps"))
                ? Tool.Eden
                : null;
    }

    /**
     * The LoraTraining that {@code file} asks for.
     *
     * @param places where its paths lead
     * @throws TrainerException InvalidConfiguration with file, key and value
     */
    public static Converted convert(Tool tool, Path file, Places places) {
        String name = file.toString();
        return EdenConfig.convert(ConfigText.options(file), name, places);
    }
}
