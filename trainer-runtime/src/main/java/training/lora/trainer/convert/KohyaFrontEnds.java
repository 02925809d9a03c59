package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.List;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/** Files of programs around sd-scripts, which have its options under other keys and so would be told to lack some. */
final class KohyaFrontEnds {
    /** What presets of kohya_ss' window have, and no script. */
    private static final List<String> GUI = List.of("max_resolution", "LoRA_type", "dreambooth_type");

    private KohyaFrontEnds() {}

    /** Refuses {@code options}, those of {@code file}, where they are of such a program. */
    static void refuse(Path file, ObjectNode options) {
        if (options.at("/general_args/args").isObject()) {
            throw refused(file, "is of LoRA_Easy_Training_Scripts, whose files aren't read, but those of sd-scripts");
        }
        if (GUI.stream().anyMatch(options::has) && !options.has("resolution")) {
            throw refused(
                    file,
                    "is a preset of kohya_ss, which isn't read, but the TOML file that it writes for each training, and the command line that it prints");
        }
    }

    private static TrainerException refused(Path file, String sentence) {
        return new TrainerException(Reason.InvalidConfiguration, file + " " + sentence);
    }
}
