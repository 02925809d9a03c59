package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Scripts with a command line of kohya's that tests put together. */
final class KohyaLines {
    /** The least one, with a seed last. */
    static final String LINE =
            "python train_network.py --pretrained_model_name_or_path a/b --train_data_dir sets --resolution 512 --seed 7";

    private KohyaLines() {}

    /** What comes of the script {@code name} of this text in {@code folder}, started there. */
    static Converted convert(Path folder, String name, String text) throws IOException {
        Path file = Files.writeString(folder.resolve(name), text);
        return Conversion.convert(Tool.Kohya, file, new Places(folder, folder));
    }

    /** The value at {@code path} of the training's specification. */
    static JsonNode spec(Converted converted, String path) {
        return converted.training().at("/spec" + path);
    }
}
