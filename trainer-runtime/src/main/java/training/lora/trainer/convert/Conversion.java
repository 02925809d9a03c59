package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/** Reads a configuration of another trainer. */
public final class Conversion {
    /** In bytes; a larger file is no configuration, and isn't read. */
    private static final long LARGEST = 4 << 20;

    private Conversion() {}

    /** The tool whose configuration {@code file} is, by its keys; null where it is none, or is no file. */
    public static @Nullable Tool recognise(Path file) {
        if (!Files.isRegularFile(file) || file.toFile().length() > LARGEST) {
            return null;
        }
        try {
            if (isScript(file)) {
                return Tool.Kohya;
            }
            JsonNode root = ConfigText.read(file);
            return root.has("apiVersion") || root.has("spec") ? null : byKeys(root);
        } catch (TrainerException e) {
            // Whoever reads it as a LoraTraining says what is wrong with it.
            return file.getFileName().toString().endsWith(".toml") ? Tool.Kohya : null;
        }
    }

    /**
     * Refuses a file that {@link #recognise} knows no tool for, because it can't be read.
     *
     * @throws TrainerException InvalidConfiguration with the file and, where its syntax is wrong, the line
     */
    public static void requireReadable(Path file) {
        if (Files.isRegularFile(file) && !ConfigText.isTable(file)) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    hasScriptWithin(file)
                            ? file
                                    + ": the command line must stand outside of here-documents: put what is in that one into a file of its own"
                            : "%s must end with .json, .toml or .yaml, or have a command line of %s"
                                    .formatted(file, KohyaScript.names()));
        }
        ConfigText.options(file);
    }

    private static boolean hasScriptWithin(Path file) {
        try {
            return file.toFile().length() <= LARGEST && KohyaArguments.isInDocument(file, ConfigText.text(file));
        } catch (TrainerException e) {
            // It is no text.
            return false;
        }
    }

    private static @Nullable Tool byKeys(JsonNode root) {
        if (root.has("lora_training_urls") || (root.has("concept_mode") && root.has("max_train_steps"))) {
            return Tool.Eden;
        }
        if (root.findValue("pretrained_model_name_or_path") != null
                || root.at("/datasets/0/subsets").isArray()) {
            return Tool.Kohya;
        }
        if (root.at("/config/process").isArray()) {
            return Tool.AiToolkit;
        }
        boolean oneTrainer =
                root.has("training_method") || root.has("base_model_name") || root.has("concept_file_name");
        return oneTrainer ? Tool.OneTrainer : null;
    }

    /** Whether it is a shell's script, and no table. */
    private static boolean isScript(Path file) {
        return !ConfigText.isTable(file) && KohyaArguments.isIn(file, ConfigText.text(file));
    }

    /**
     * The LoraTraining that {@code file} asks for.
     *
     * @param places where its paths lead
     * @throws TrainerException InvalidConfiguration with file, key and value
     */
    public static Converted convert(Tool tool, Path file, Places places) {
        return switch (tool) {
            case Eden -> EdenConfig.convert(ConfigText.options(file), file.toString(), places);
            case Kohya ->
                isScript(file) ? KohyaConfig.script(file, places) : KohyaConfig.file(file, null, null, places);
            case OneTrainer -> OneTrainerConfig.convert(ConfigText.options(file), file.toString(), places);
            case AiToolkit -> AiToolkitConfig.convert(ConfigText.options(file), file.toString(), places);
        };
    }

    /**
     * The same of a file whose tool is named.
     *
     * @param from the tool's name, or that of one of kohya's scripts, to which the file goes as --config_file
     */
    public static Converted convert(String from, Path file, Places places) {
        KohyaScript script = KohyaScript.named(from);
        if (script == null) {
            return convert(Tool.of(from), file, places);
        }
        if (isScript(file)) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "--from must be unset or kohya where FILE has a command line, which names the script, was " + from);
        }
        return KohyaConfig.file(file, null, script, places);
    }

    /**
     * The same of two files of kohya's.
     *
     * @param from as above; null where their options tell the script
     * @param dataset a file for {@code --dataset_config}
     */
    public static Converted convert(@Nullable String from, Path file, Path dataset, Places places) {
        KohyaScript script = from == null ? null : KohyaScript.named(from);
        if (script == null && from != null && Tool.of(from) != Tool.Kohya) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "--from must be kohya or one of its scripts with two files, was " + from);
        }
        return KohyaConfig.file(file, dataset, script, places);
    }

    /**
     * The same of a command line of one of kohya's scripts.
     *
     * @param words the command's, such as {@code accelerate launch train_network.py --network_dim 8}
     */
    public static Converted convert(List<String> words, Places places) {
        return KohyaConfig.words(words, places);
    }

    /**
     * The same.
     *
     * @param from as above, which must be the script that the command line names; null where that alone tells
     */
    public static Converted convert(@Nullable String from, List<String> words, Places places) {
        KohyaScript script = from == null ? null : KohyaScript.named(from);
        boolean another = script == null
                ? from != null && Tool.of(from) != Tool.Kohya
                : script != KohyaArguments.of("the command line", words, places).script();
        if (another) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "--from must be unset, kohya or the script that the command line names, was " + from);
        }
        return convert(words, places);
    }

    /** Whether {@code words} are a command line with options or a script of kohya's, and no names of files. */
    public static boolean isCommandLine(List<String> words) {
        return words.size() > 1
                && words.stream().anyMatch(word -> word.startsWith("--") || KohyaScript.at(word) != null);
    }
}
