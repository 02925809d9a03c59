package training.lora.trainer.convert;

import java.util.Locale;
import org.jspecify.annotations.Nullable;
import training.lora.api.OptimizerType;

/** Optimizers by the names that trainers and Python's packages have for them. */
final class Optimizers {
    private Optimizers() {}

    /** The one that {@code name} means, whatever package stands before it; null where it isn't here. */
    static @Nullable OptimizerType of(String name) {
        String plain = name.substring(name.lastIndexOf('.') + 1)
                .toLowerCase(Locale.ROOT)
                .replaceAll("[^a-z0-9]", "");
        return switch (plain) {
            case "adamw" -> OptimizerType.AdamW;
            case "adamw8bit", "pagedadamw8bit" -> OptimizerType.AdamW8bit;
            case "adafactor" -> OptimizerType.Adafactor;
            case "came" -> OptimizerType.CAME;
            case "lion" -> OptimizerType.Lion;
            case "prodigy" -> OptimizerType.Prodigy;
            case "adamwschedulefree", "schedulefreeadamw" -> OptimizerType.ScheduleFreeAdamW;
            case "prodigyplusschedulefree" -> OptimizerType.ProdigyScheduleFree;
            default -> null;
        };
    }

    /**
     * Says that Prodigy corrects biases and guards its estimate while the rate rises, where the file's doesn't.
     *
     * @param arguments what the optimizer is given there, of which both are off where they are unset
     */
    static void note(OptimizerType type, Options arguments) {
        boolean same = arguments.flag("use_bias_correction", false) && arguments.flag("safeguard_warmup", false);
        if (type == OptimizerType.Prodigy && !same) {
            arguments
                    .findings()
                    .note(
                            "Prodigy is as with `%1$suse_bias_correction` and `%1$ssafeguard_warmup` true, of which the file leaves one or both off"
                                    .formatted(arguments.group()));
        }
    }

    /** The weight decay that packages give it where none is asked for. */
    static double decay(OptimizerType type) {
        return type == OptimizerType.AdamW || type == OptimizerType.AdamW8bit ? 0.01 : 0;
    }
}
