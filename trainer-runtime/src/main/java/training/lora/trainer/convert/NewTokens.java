package training.lora.trainer.convert;

import org.jspecify.annotations.Nullable;
import training.lora.api.OptimizerType;

/** The fields of new tokens that OneTrainer's and ai-toolkit's embeddings become. */
final class NewTokens {
    /** Below which they stand. */
    static final String PATH = "training.tokens.";

    /** As what tokens begin there for which no words are left. */
    private static final String FILLER = "*";

    private NewTokens() {}

    /**
     * Words that as many tokens begin as: {@code words}, and behind them fillers, as both tools have it, for here words would be
     * gone through again.
     */
    static String initializer(String words, int count) {
        String begun = words.strip();
        return begun.equals(FILLER) ? begun : begun + (" " + FILLER).repeat(count - 1);
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
