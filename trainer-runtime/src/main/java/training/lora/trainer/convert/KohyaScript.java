package training.lora.trainer.convert;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import training.lora.api.TrainingMethod;

/** A script of sd-scripts whose configurations are read. */
enum KohyaScript {
    Network("train_network", TrainingMethod.Adapter, false, "network_train"),
    XlNetwork("sdxl_train_network", TrainingMethod.Adapter, true, "network_train"),
    FineTune("fine_tune", TrainingMethod.FullFineTuning, false, "finetuning"),
    DreamBooth("train_db", TrainingMethod.FullFineTuning, false, "dreambooth"),
    XlFineTune("sdxl_train", TrainingMethod.FullFineTuning, true, "finetuning"),
    Inversion("train_textual_inversion", TrainingMethod.TextualInversion, false, "textual_inversion"),
    XlInversion("sdxl_train_textual_inversion", TrainingMethod.TextualInversion, true, "textual_inversion");

    private final String id;
    private final TrainingMethod method;
    private final boolean xl;
    private final String project;

    KohyaScript(String id, TrainingMethod method, boolean xl, String project) {
        this.id = id;
        this.method = method;
        this.xl = xl;
        this.project = project;
    }

    /** Its file's name without the ending. */
    String id() {
        return id;
    }

    String file() {
        return id + ".py";
    }

    TrainingMethod method() {
        return method;
    }

    /** Whether it is for Stable Diffusion XL. */
    boolean xl() {
        return xl;
    }

    /** What trackers call its runs' project there. */
    String project() {
        return project;
    }

    /** Whether options mean the same to both, apart from the family of models. */
    boolean isLike(KohyaScript other) {
        return method == other.method && (this == DreamBooth) == (other == DreamBooth);
    }

    /** The one that {@code name} names, with its ending or without; null where it names none. */
    static @Nullable KohyaScript named(String name) {
        String plain = name.toLowerCase(Locale.ROOT).replaceFirst("\\.py$", "");
        return Arrays.stream(values())
                .filter(script -> script.id.equals(plain))
                .findFirst()
                .orElse(null);
    }

    /** The one at {@code path}, as {@link #named}; its folders may stand in the form of any system. */
    static @Nullable KohyaScript at(String path) {
        return named(path.replaceFirst("^.*[/\\\\]", ""));
    }

    /** The names of all, for messages. */
    static String names() {
        List<String> names = Arrays.stream(values()).map(KohyaScript::file).toList();
        return names.stream().limit(names.size() - 1).collect(Collectors.joining(", ")) + " or "
                + names.get(names.size() - 1);
    }
}
