package training.lora.trainer.adapter;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.layer.AddedTokens;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.model.text.Vocabulary;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.TorchScript;

/**
 * Embeddings of new tokens in the place of words (textual inversion, Gal et al. 2022). Of all words and all text encoders they
 * lie in one flat fp32 array, encoder by encoder, and in it (n, D) word by word.
 */
public final class TokenEmbeddings implements AutoCloseable {
    private final NDManager manager;
    private final List<Word> words;
    private final List<AddedTokens.Word> found;
    private final Map<Component, Long> widths;
    private final NDArray arena;
    private @Nullable NDArray gradient;
    private @Nullable TokenSpan span;

    /**
     * A word in whose place tokens stand.
     *
     * @param text what captions and prompts say
     * @param count of its tokens
     * @param initial words that they begin as; null for random ones
     */
    public record Word(String text, int count, @Nullable String initial) {}

    private TokenEmbeddings(
            NDManager manager, List<Word> words, Function<String, Pattern> finder, Map<Component, Long> widths) {
        this(
                manager,
                words,
                words.stream()
                        .map(w -> new AddedTokens.Word(finder.apply(w.text()), w.count()))
                        .toList(),
                widths,
                manager.zeros(new Shape(size(words, widths))));
    }

    private TokenEmbeddings(
            NDManager manager,
            List<Word> words,
            List<AddedTokens.Word> found,
            Map<Component, Long> widths,
            NDArray arena) {
        this.manager = manager;
        this.words = List.copyOf(words);
        this.found = found;
        this.widths = widths;
        this.arena = arena;
    }

    private static long size(List<Word> words, Map<Component, Long> widths) {
        return words.stream().mapToLong(Word::count).sum()
                * widths.values().stream().mapToLong(w -> w).sum();
    }

    /** The same with other numbers, {@code parameters} (n), fp32, as they are when it is used; it lives as long as this. */
    public TokenEmbeddings with(NDArray parameters) {
        return new TokenEmbeddings(manager.newSubManager(), words, found, widths, parameters);
    }

    /**
     * New ones. Those of a word's initial words are these words' own, gone through again where there are more; others are
     * drawn from N(0, 1) and scaled to the mean deviation of the vocabulary's.
     *
     * @param vocabularies of the text encoders
     * @param finder finds a word in a text
     * @param seed what is drawn follows from it and the word
     */
    public static TokenEmbeddings create(
            List<Word> words,
            List<Vocabulary> vocabularies,
            Function<String, Pattern> finder,
            long seed,
            NDManager parent) {
        Map<Component, Long> widths = new EnumMap<>(Component.class);
        vocabularies.forEach(v -> widths.put(v.encoder(), v.table().getShape().get(1)));
        TokenEmbeddings tokens = new TokenEmbeddings(parent.newSubManager(), words, finder, widths);
        for (Vocabulary vocabulary : vocabularies) {
            int first = 0;
            for (Word word : words) {
                try (NDManager scratch = parent.newSubManager(Device.cpu())) {
                    FlatArray.put(
                            tokens.arena,
                            tokens.offset(vocabulary.encoder(), first),
                            initial(word, vocabulary, seed, scratch));
                }
                first += word.count();
            }
        }
        return tokens;
    }

    /** First embeddings of a word (count, D), on the CPU. */
    private static NDArray initial(Word word, Vocabulary vocabulary, long seed, NDManager scratch) {
        long width = vocabulary.table().getShape().get(1);
        String like = word.initial();
        if (like == null) {
            long drawn = Randomness.derive(seed, 0, "tokens/" + vocabulary.encoder() + "/" + word.text());
            double deviation = TokenStatistics.of(vocabulary.table()).meanDeviation();
            return Randomness.normal(scratch, drawn, new Shape(word.count(), width))
                    .muli(deviation);
        }
        long[] known = vocabulary.tokens().apply(like);
        long[] rows = new long[word.count()];
        for (int i = 0; i < rows.length; i++) {
            rows[i] = known[i % known.length];
        }
        return vocabulary.embeddings(rows, scratch);
    }

    /**
     * Those of files.
     *
     * @param values by word and text encoder, (count, D), fp32
     * @param finder finds a word in a text
     */
    public static TokenEmbeddings of(
            Map<String, Map<Component, LazyTensor>> values, Function<String, Pattern> finder, NDManager parent) {
        List<Word> words = new ArrayList<>();
        Map<Component, Long> widths = new EnumMap<>(Component.class);
        values.forEach((word, rows) -> {
            rows.forEach((encoder, row) -> widths.put(encoder, row.shape().get(1)));
            words.add(
                    new Word(word, (int) rows.values().iterator().next().shape().get(0), null));
        });
        TokenEmbeddings tokens = new TokenEmbeddings(parent.newSubManager(), words, finder, widths);
        int first = 0;
        for (Word word : words) {
            for (Component encoder : widths.keySet()) {
                try (NDManager scratch = parent.newSubManager(Device.cpu())) {
                    LazyTensor rows = Objects.requireNonNull(
                            Objects.requireNonNull(values.get(word.text())).get(encoder));
                    FlatArray.put(tokens.arena, tokens.offset(encoder, first), rows.in(scratch));
                }
            }
            first += word.count();
        }
        return tokens;
    }

    /** Has them stay in {@code within}, which is closed with them. */
    public void stay(TokenSpan within) {
        span = within;
    }

    /** Moves them back to where they are to stay, if they are to stay somewhere. */
    public void keep(NDManager scope) {
        if (span != null) {
            span.keep(this, scope);
        }
    }

    /** Where the embedding of token {@code first} of all begins. */
    private long offset(Component encoder, int first) {
        long offset = 0;
        for (Map.Entry<Component, Long> e : widths.entrySet()) {
            if (e.getKey() == encoder) {
                return offset + first * e.getValue();
            }
            offset += count() * e.getValue();
        }
        throw new IllegalArgumentException(encoder + " must be one of " + widths.keySet());
    }

    /** The words, in the order of their embeddings. */
    public List<Word> words() {
        return words;
    }

    /** n, the tokens of all words. */
    public int count() {
        return words.stream().mapToInt(Word::count).sum();
    }

    /** D of each text encoder. */
    public Map<Component, Long> widths() {
        return widths;
    }

    /** All embeddings, flat, fp32. */
    public NDArray parameters() {
        return arena;
    }

    /** Gives it gradients, at first zero. */
    public TokenEmbeddings trainable() {
        if (gradient == null) {
            gradient = manager.zeros(arena.getShape());
        }
        return this;
    }

    /** What backward passes have added up for {@link #parameters}; it must be {@link #trainable}. */
    public NDArray gradient() {
        return Objects.requireNonNull(gradient, "tokens must be trainable to have a gradient");
    }

    /** Views of them, and of their gradients if it is trainable; they belong to {@code scope}. */
    public AddedTokens bind(NDManager scope) {
        Map<Component, AddedTokens.Rows> rows = new EnumMap<>(Component.class);
        for (Component encoder : widths.keySet()) {
            rows.put(
                    encoder,
                    new AddedTokens.Rows(
                            view(arena, encoder, scope), gradient == null ? null : view(gradient, encoder, scope)));
        }
        return new AddedTokens(found, rows);
    }

    private NDArray view(NDArray all, Component encoder, NDManager scope) {
        long width = Objects.requireNonNull(widths.get(encoder));
        return TorchScript.compile(
                        "x",
                        "return torch.reshape(torch.slice(x, 0, %d, %d), [%d, %d])"
                                .formatted(offset(encoder, 0), offset(encoder, count()), count(), width))
                .call(scope, all);
    }

    /** The embeddings of each word in each text encoder, (count, D), as they are when they are read. */
    public Map<String, Map<Component, LazyTensor>> values() {
        Map<String, Map<Component, LazyTensor>> values = new LinkedHashMap<>();
        int first = 0;
        for (Word word : words) {
            Map<Component, LazyTensor> rows = new EnumMap<>(Component.class);
            for (Map.Entry<Component, Long> e : widths.entrySet()) {
                rows.put(
                        e.getKey(),
                        FlatArray.part(arena, offset(e.getKey(), first), new Shape(word.count(), e.getValue())));
            }
            values.put(word.text(), rows);
            first += word.count();
        }
        return values;
    }

    @Override
    public void close() {
        if (span != null) {
            span.close();
        }
        manager.close();
    }
}
