package training.lora.trainer.model.layer;

import ai.djl.ndarray.NDArray;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Tokens beside the vocabularies of text encoders: texts say words for them, and their embeddings are small arrays beside
 * the frozen tables (textual inversion, Gal et al. 2022).
 *
 * @param words in the order of their rows
 * @param rows of each text encoder
 */
public record AddedTokens(List<Word> words, Map<Component, Rows> rows) {
    /**
     * A word that stands for tokens.
     *
     * @param pattern finds it in a text
     * @param count of its tokens
     */
    public record Word(Pattern pattern, int count) {}

    /**
     * What stands beside one text encoder's table.
     *
     * @param embeddings (n, D), fp32, of the tokens of all words, one word's behind the other's
     * @param gradient (n, D), what theirs is added to; null where they are not trained
     */
    public record Rows(NDArray embeddings, @Nullable NDArray gradient) {}

    public AddedTokens {
        words = List.copyOf(words);
        rows = Map.copyOf(rows);
    }

    /** What stands beside the table of {@code encoder}. */
    public @Nullable Rows of(Component encoder) {
        return rows.get(encoder);
    }
}
