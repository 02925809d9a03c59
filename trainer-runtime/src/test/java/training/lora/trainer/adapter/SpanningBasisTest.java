package training.lora.trainer.adapter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static training.lora.trainer.Goldens.assertClose;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import training.lora.api.TokenBasisSpec;
import training.lora.trainer.Goldens;
import training.lora.trainer.TrainerException;
import training.lora.trainer.WholeWords;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.model.text.Vocabulary;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.SafeTensors;

class SpanningBasisTest {
    /** src/test/goldens/token_goldens.py made them. */
    private static final Path GOLDENS = Path.of("src/test/resources/token-goldens/basis.safetensors");

    @Test
    void membersAreThoseOfTheCovariancesEigenvectors() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafeTensors golden = SafeTensors.open(GOLDENS)) {
            NDArray embeddings =
                    Randomness.normal(manager, 9, new Shape(7, 12)).mul(0.3).add(0.1);

            SpanningBasis basis = SpanningBasis.of(embeddings, 3, manager);

            NDArray other = Randomness.normal(manager, 10, new Shape(4, 12));
            NDArray draws = Randomness.normal(manager, 11, new Shape(4, 7));
            assertClose(basis.nearest(other, manager), golden.read("nearest", manager), 1e-4, "nearest");
            assertClose(basis.mixed(draws, manager), golden.read("mixed", manager), 1e-4, "mixed");
        }
    }

    @Test
    void allComponentsSpanTheEmbeddingsAndNoMore() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray embeddings = Randomness.normal(manager, 9, new Shape(7, 12));

            SpanningBasis basis = SpanningBasis.of(embeddings, Integer.MAX_VALUE, manager);

            // Seven points have six differences.
            assertThat(basis.components().getShape()).isEqualTo(new Shape(6, 12));
            assertClose(basis.nearest(embeddings, manager), embeddings, 1e-5, "embeddings");
        }
    }

    @Test
    void bothTextEncodersOfXlMixTheSameNames() {
        List<String> names = List.of("cat", "dog", "red hat", "snow", "a house");
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                StableDiffusion model = StableDiffusion.open(Goldens.FOLDER.resolve("sdxl"), manager)) {
            List<Vocabulary> vocabularies = model.prompts().vocabularies();
            TokenEmbeddings tokens = TokenEmbeddings.create(
                    List.of(new TokenEmbeddings.Word("qzx", 1, null), new TokenEmbeddings.Word("zzw", 1, null)),
                    vocabularies,
                    WholeWords::of,
                    3,
                    manager);
            try (TokenSpan span = TokenSpan.of(new TokenBasisSpec(names, null, true), 1, vocabularies, manager)) {
                span.begin(tokens, 3);
            }

            double[][] shares = new double[2][];
            for (int i = 0; i < 2; i++) {
                Vocabulary vocabulary = vocabularies.get(i);
                long[] first = names.stream()
                        .mapToLong(name -> vocabulary.tokens().apply(name)[0])
                        .distinct()
                        .toArray();
                shares[i] = shares(
                        vocabulary.embeddings(first, manager),
                        rows(tokens, vocabulary.encoder(), manager).get("0:1"));
            }

            assertThat(shares[0]).containsExactly(shares[1], within(1e-3));
            assertThat(rows(tokens, Component.TextEncoder, manager).get(0))
                    .isNotEqualTo(rows(tokens, Component.TextEncoder, manager).get(1));
        }
    }

    private static NDArray rows(TokenEmbeddings tokens, Component encoder, NDManager manager) {
        return Objects.requireNonNull(tokens.bind(manager).of(encoder)).embeddings();
    }

    /** The shares, which add up to 1, with which {@code row} (1, D) is a mean of {@code embeddings} (m, D). */
    private static double[] shares(NDArray embeddings, NDArray row) {
        NDArray others = embeddings.get("1:").sub(embeddings.get("0:1"));
        NDArray inverse = others.matMul(others.transpose()).inverse();
        NDArray weights =
                row.sub(embeddings.get("0:1")).matMul(others.transpose()).matMul(inverse);
        float[] some = weights.toFloatArray();
        double[] shares = new double[some.length];
        for (int i = 0; i < shares.length; i++) {
            shares[i] = some[i];
        }
        return shares;
    }

    @Test
    void namesOfTooFewTokensAreRefused() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                StableDiffusion model = StableDiffusion.open(Goldens.BUNDLED.resolve("emoji-sd"), manager)) {
            List<Vocabulary> vocabularies = model.prompts().vocabularies();
            TokenBasisSpec spec = new TokenBasisSpec(List.of("cat", "dog", "fox"), null, true);

            TokenSpan.check(spec, 1, vocabularies);
            assertThatThrownBy(() -> TokenSpan.check(spec, 2, vocabularies))
                    .isInstanceOf(TrainerException.class)
                    .hasMessageContaining("`spec.training.tokens.basis.names` must have 3 or more different tokens")
                    .hasMessageEndingWith("had 0 at place 2");
            assertThatThrownBy(() -> TokenSpan.check(
                            new TokenBasisSpec(List.of("cat", " ", "fox"), null, true), 1, vocabularies))
                    .hasMessageEndingWith("must be words that the text encoders read, had \" \"");
        }
    }
}
