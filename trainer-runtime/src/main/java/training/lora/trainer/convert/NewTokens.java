package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import training.lora.api.OptimizerType;

/** The fields of new tokens that embeddings of kohya's, OneTrainer's and ai-toolkit's become. */
final class NewTokens {
    /** Below which they stand. */
    static final String PATH = "training.tokens.";

    /** As what tokens begin there for which no words are left. */
    private static final String FILLER = "*";

    /** Characters that an initializer may have. */
    private static final int LONGEST = 100;

    private static final int LONGEST_NAME = 63;

    /** Makes of a data set's name what is no word. */
    private static final String ENDING = "-emb";

    private NewTokens() {}

    /** Whether it is written as a data set's name is here, which stands for the data set's trigger. */
    static boolean isName(String placeholder) {
        return placeholder.length() > 2 && placeholder.startsWith("<") && placeholder.endsWith(">");
    }

    /** The data set's name that is written as {@code placeholder}. */
    static String name(String placeholder) {
        return placeholder.substring(1, placeholder.length() - 1);
    }

    /**
     * The trigger for a placeholder: itself, or where that is a data set's name, the name and an ending, because a trigger takes
     * its word's place wherever it stands, and a name such as cat is a word of captions and of the vocabulary.
     */
    static String trigger(String placeholder) {
        return isName(placeholder) ? name(placeholder) + ENDING : placeholder;
    }

    /** Refuses a placeholder, which option {@code key} gives, that is written as a data set's name is and can be none. */
    static void requireName(Options options, String key, String placeholder) {
        if (isName(placeholder) && !name(placeholder).equals(Draft.name(name(placeholder), LONGEST_NAME))) {
            throw options.wrong(key, "have small letters, digits and hyphens alone between < and >");
        }
    }

    /**
     * Words that as many tokens begin as: those of option {@code key}, and behind them fillers, as both tools have it, for here
     * words would be gone through again. OneTrainer's filler is this one; ai-toolkit's is the vocabulary's * within a word.
     */
    static String initializer(Options embedding, String key, int count) {
        String begun = embedding.text(key, FILLER).strip();
        if (begun.equals(FILLER)) {
            return begun;
        }
        int fillers = Math.max(0, count - begun.split("\\s+").length);
        String words = begun + (" " + FILLER).repeat(fillers);
        if (words.length() > LONGEST) {
            throw embedding.wrong(
                    key,
                    "be at most %d characters with the %d fillers behind it that %d tokens need"
                            .formatted(LONGEST, fillers, count));
        }
        return words;
    }

    /** A constant of the optimizer that tokens have always, whatever the adapter beside them has. */
    enum Constant {
        FirstMoment("beta1", 0.9),
        SecondMoment("beta2", 0.999),
        Coefficient("d_coef", 1),
        Growth("growth_rate", Double.POSITIVE_INFINITY);

        private final String key;
        private final double value;

        Constant(String key, double value) {
            this.key = key;
            this.value = value;
        }

        /** Says so where {@code optimizer} has another. */
        void note(Options optimizer) {
            JsonNode given = optimizer.raw(key);
            if (given != null && !given.asText().toLowerCase(Locale.ROOT).startsWith("inf")) {
                note(optimizer, key, optimizer.number(key, value));
            }
        }

        /** The same of a value that stands at {@code place}. */
        void note(Options optimizer, String place, double given) {
            if (given != value) {
                optimizer
                        .findings()
                        .note("`%s%s` %s has no effect on new tokens, which have %s %s always"
                                .formatted(optimizer.group(), place, given, key, value));
            }
        }
    }

    /**
     * What moves the tokens where {@code type} does there.
     *
     * @return null where tokens have no such optimizer
     */
    static @Nullable OptimizerType optimizer(OptimizerType type) {
        return switch (type) {
            case AdamW, AdamW8bit -> OptimizerType.AdamW;
            case Prodigy -> OptimizerType.Prodigy;
            default -> null;
        };
    }

    /** The same, or a sentence on {@code key}. */
    static OptimizerType requireOptimizer(Options options, String key, OptimizerType type) {
        OptimizerType own = optimizer(type);
        if (own == null) {
            throw options.wrong(key, "be AdamW, AdamW8bit or Prodigy where embeddings are trained");
        }
        return own;
    }
}
