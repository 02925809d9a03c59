package training.lora.trainer.adapter;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Reason;
import training.lora.api.TokenBasisSpec;
import training.lora.trainer.TrainerException;
import training.lora.trainer.model.layer.AddedTokens;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.model.text.Vocabulary;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.TorchScript;

/**
 * Where new tokens may be that are like names: for each text encoder, and each place among a word's tokens, the {@link
 * SpanningBasis} of the names' tokens at that place, a token of several names counted once.
 */
public final class TokenSpan implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(TokenSpan.class);

    private static final int FEWEST = 3;

    /** Names below which there is little to mix. */
    private static final int FEW = 10;

    private static final TorchScript SET = TorchScript.compile("e, v", "return torch.copy_(e, v)");

    private final Map<Component, List<SpanningBasis>> bases = new EnumMap<>(Component.class);
    private final int count;
    private final NDManager manager;

    private TokenSpan(int count, NDManager manager) {
        this.count = count;
        this.manager = manager;
    }

    /**
     * That of words of {@code count} tokens.
     *
     * @throws TrainerException InvalidConfiguration if there are too few names of so many tokens
     */
    public static TokenSpan of(TokenBasisSpec spec, int count, List<Vocabulary> vocabularies, NDManager parent) {
        check(spec, count, vocabularies);
        TokenSpan span = new TokenSpan(count, parent.newSubManager());
        int most = spec.components() == null ? Integer.MAX_VALUE : spec.components();
        for (Vocabulary vocabulary : vocabularies) {
            List<SpanningBasis> places = new ArrayList<>();
            for (int place = 0; place < count; place++) {
                long[] rows = rows(spec.names(), place, vocabulary);
                if (rows.length < FEW) {
                    LOG.warn(
                            "tokens at place {} begin among {} different tokens of names alone; some hundred names are usual",
                            place + 1,
                            rows.length);
                }
                try (NDManager scratch = span.manager.newSubManager(Device.cpu())) {
                    places.add(SpanningBasis.of(vocabulary.embeddings(rows, scratch), most, span.manager));
                }
                long components = places.get(place).components().getShape().get(0);
                if (spec.components() != null && components < spec.components()) {
                    LOG.warn(
                            "the names at place {} have {} components, fewer than the {} of `spec.training.tokens.basis.components`",
                            place + 1,
                            components,
                            spec.components());
                }
            }
            span.bases.put(vocabulary.encoder(), places);
        }
        return span;
    }

    /** Refuses what {@link #of} would, by the tokenizers alone. */
    public static void check(TokenBasisSpec spec, int count, List<Vocabulary> vocabularies) {
        for (Vocabulary vocabulary : vocabularies) {
            for (String name : spec.names()) {
                if (vocabulary.tokens().apply(name).length == 0) {
                    throw new TrainerException(
                            Reason.InvalidConfiguration,
                            "`spec.training.tokens.basis.names` must be words that the text encoders read, had \"%s\""
                                    .formatted(name));
                }
            }
            for (int place = 0; place < count; place++) {
                int different = rows(spec.names(), place, vocabulary).length;
                if (different < FEWEST) {
                    throw new TrainerException(
                            Reason.InvalidConfiguration,
                            "`spec.training.tokens.basis.names` must have %d or more different tokens at each place of the %d that `spec.training.tokens.count` asks for, had %d at place %d"
                                    .formatted(FEWEST, count, different, place + 1));
                }
            }
        }
    }

    private static long[] rows(List<String> names, int place, Vocabulary vocabulary) {
        Set<Long> rows = new LinkedHashSet<>();
        for (String name : names) {
            long[] tokens = vocabulary.tokens().apply(name);
            if (tokens.length > place) {
                rows.add(tokens[place]);
            }
        }
        return rows.stream().mapToLong(row -> row).toArray();
    }

    /**
     * Puts each of {@code tokens} at a place of the span that follows from {@code seed} and its word. It can be done once, for what it
     * takes is let go.
     */
    public void begin(TokenEmbeddings tokens, long seed) {
        try (NDManager scope = manager.newSubManager()) {
            each(tokens, scope, (place, basis, own) -> {
                long names = basis.deviations().getShape().get(0);
                float[] draws = new float[(int) (tokens.words().size() * names)];
                int first = 0;
                for (TokenEmbeddings.Word word : tokens.words()) {
                    long drawn = Randomness.derive(seed, 0, "basis/%d/%s".formatted(place, word.text()));
                    float[] some =
                            Randomness.normal(scope, drawn, new Shape(names)).toFloatArray();
                    System.arraycopy(some, 0, draws, first, some.length);
                    first += some.length;
                }
                return basis.mixed(scope.create(draws, new Shape(tokens.words().size(), names)), scope);
            });
        }
        bases.values()
                .forEach(places -> places.forEach(basis -> basis.deviations().close()));
    }

    /** Moves each of {@code tokens} to the nearest place of the span. */
    public void keep(TokenEmbeddings tokens, NDManager scope) {
        each(tokens, scope, (place, basis, own) -> basis.nearest(own, scope));
    }

    /** What tokens at one place of their words, (W, D), become. */
    private interface Moved {
        NDArray of(int place, SpanningBasis basis, NDArray own);
    }

    private void each(TokenEmbeddings tokens, NDManager scope, Moved moved) {
        AddedTokens bound = tokens.bind(scope);
        bases.forEach((encoder, places) -> {
            NDArray all = Objects.requireNonNull(bound.of(encoder)).embeddings();
            for (int place = 0; place < count; place++) {
                NDArray own = at(place, all, scope);
                SET.call(scope, own, moved.of(place, places.get(place), own));
            }
        });
    }

    /** A view of the embeddings at one place of each word. */
    private NDArray at(int place, NDArray all, NDManager scope) {
        return TorchScript.compile(
                        "e",
                        "return torch.select(torch.reshape(e, [-1, %d, torch.size(e, 1)]), 1, %d)"
                                .formatted(count, place))
                .call(scope, all);
    }

    @Override
    public void close() {
        manager.close();
    }
}
