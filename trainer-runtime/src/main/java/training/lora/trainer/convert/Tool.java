package training.lora.trainer.convert;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/** A trainer whose configurations are read. */
public enum Tool {
    /** Eden's sd-lora-trainer: {@code training_args.json}. */
    Eden("eden"),
    /** kohya's sd-scripts: TOML, command lines of its scripts, prompt files. */
    Kohya("kohya"),
    /** OneTrainer: JSON. */
    OneTrainer("onetrainer"),
    /** ostris' ai-toolkit: YAML. */
    AiToolkit("ai-toolkit");

    private final String id;

    Tool(String id) {
        this.id = id;
    }

    /** What the command line calls it. */
    public String id() {
        return id;
    }

    /**
     * The tool that {@code id} names.
     *
     * @throws TrainerException InvalidConfiguration where none has that name
     */
    public static Tool of(String id) {
        return Arrays.stream(values())
                .filter(tool -> tool.id.equals(id.toLowerCase(Locale.ROOT)))
                .findFirst()
                .orElseThrow(() -> new TrainerException(
                        Reason.InvalidConfiguration,
                        "--from must be one of %s, or one of kohya's %s, was %s"
                                .formatted(
                                        Arrays.stream(values()).map(Tool::id).collect(Collectors.joining(", ")),
                                        KohyaScript.names(),
                                        id)));
    }
}
