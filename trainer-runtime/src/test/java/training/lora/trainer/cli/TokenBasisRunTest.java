package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Reason;
import training.lora.api.TokenBasisSpec;
import training.lora.trainer.WholeWords;
import training.lora.trainer.adapter.TokenEmbeddings;
import training.lora.trainer.adapter.TokenSpan;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.model.text.Vocabulary;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.tensor.Copy;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.SafeTensors;

/** Tokens among names, from the configuration to the file. */
@Timeout(900)
class TokenBasisRunTest {
    private static final List<String> NAMES = List.of(
            "dog", "fox", "tiger", "lion", "bear", "panda", "koala", "cow", "pig", "mouse", "hamster", "rabbit",
            "monkey", "frog", "horse", "chicken", "wolf", "raccoon", "boar", "unicorn");

    private static final String TRAINING =
            "method: TextualInversion, steps: 40, batchSize: 2, precision: Float32, seed: 3, checkpoints: {everySteps: 20}, tokens: {count: 1, learningRate: 2e-2, basis: {names: [%s], kept: %s}}"
                    .replace("[%s]", NAMES.toString());

    private static final long SEED = 3;

    @TempDir
    Path folder;

    @Test
    void trainedTokensStayAmongNames() throws Exception {
        TinyRun kept = BundledRun.ofCats(folder.resolve("kept"), TRAINING.formatted(true), "");
        TinyRun free = BundledRun.ofCats(folder.resolve("free"), TRAINING.formatted(false), "");

        Ran one = kept.run("run");
        assertThat(one.code()).as(one.error()).isZero();
        byte[] whole = kept.lora();
        kept.interruptBefore(40);
        assertThat(kept.run("run", "--attempt", "2").code()).isZero();
        Ran other = free.run("run");
        assertThat(other.code()).as(other.error()).isZero();

        assertThat(kept.lora()).isEqualTo(whole);
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                StableDiffusion model = StableDiffusion.open(BundledRun.MODEL, manager);
                TokenSpan span = span(model, manager)) {
            assertThat(outside(kept, span, model, manager)).isLessThan(1e-4);
            assertThat(outside(free, span, model, manager)).isGreaterThan(0.1);
            assertThat(moved(kept, span, model, manager)).isGreaterThan(0.1);
        }
    }

    /** How far a run's token is from the span, as a share of its length. */
    private static double outside(TinyRun run, TokenSpan span, StableDiffusion model, NDManager manager) {
        try (SafeTensors file = SafeTensors.open(run.workspace().resolve("output/embeddings/qzx.safetensors"));
                TokenEmbeddings tokens = tokens(1, model, manager)) {
            NDArray trained = file.read("emb_params", manager);
            NDArray rows = rows(tokens, manager);
            Copy.into(rows, trained);
            span.keep(tokens, manager);
            return Math.sqrt(rows.sub(trained).square().sum().getFloat()
                    / trained.square().sum().getFloat());
        }
    }

    /** How far a run's token is from where it began, as a share of its length. */
    private static double moved(TinyRun run, TokenSpan span, StableDiffusion model, NDManager manager) {
        try (SafeTensors file = SafeTensors.open(run.workspace().resolve("output/embeddings/qzx.safetensors"));
                TokenEmbeddings tokens = TokenEmbeddings.create(
                        List.of(new TokenEmbeddings.Word("qzx", 1, null)),
                        model.prompts().vocabularies(),
                        WholeWords::of,
                        SEED,
                        manager)) {
            NDArray trained = file.read("emb_params", manager);
            span.begin(tokens, SEED);
            return Math.sqrt(rows(tokens, manager).sub(trained).square().sum().getFloat()
                    / trained.square().sum().getFloat());
        }
    }

    @Test
    void whatTheDenoiserMakesOfTokensAmongNamesIsLikeWhatItMakesOfNames() {
        int drawn = 12;
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                StableDiffusion model = StableDiffusion.open(BundledRun.MODEL, manager);
                TokenSpan span = span(model, manager);
                TokenEmbeddings random = tokens(drawn, model, manager);
                TokenEmbeddings among = tokens(drawn, model, manager)) {
            span.begin(among, 5);
            NDArray[] names = NAMES.stream()
                    .map(name -> predicted(name, null, model, manager))
                    .toArray(NDArray[]::new);
            NDArray mean = names[0].zerosLike();
            Arrays.stream(names).forEach(name -> mean.addi(name.div(names.length)));

            double own = Arrays.stream(names)
                    .mapToDouble(name -> distance(name, mean))
                    .average()
                    .orElseThrow();
            double ofBasis = distance(among, mean, model, manager);
            double ofRandom = distance(random, mean, model, manager);

            assertThat(ofBasis).isLessThan(1.15 * own);
            assertThat(ofRandom).isGreaterThan(1.25 * ofBasis);
        }
    }

    private static double distance(TokenEmbeddings tokens, NDArray mean, StableDiffusion model, NDManager manager) {
        return tokens.words().stream()
                .mapToDouble(word -> distance(predicted(word.text(), tokens, model, manager), mean))
                .average()
                .orElseThrow();
    }

    private static double distance(NDArray one, NDArray other) {
        return Math.sqrt(one.sub(other).square().sum().getFloat());
    }

    /** The prediction for an emoji of {@code word} at strong noise. */
    private static NDArray predicted(
            String word, @Nullable TokenEmbeddings tokens, StableDiffusion model, NDManager manager) {
        ProjectionDeltas deltas =
                tokens == null ? ProjectionDeltas.NONE : new ProjectionDeltas(Map.of(), 0, tokens.bind(manager));
        NDArray noisy = Randomness.normal(manager, 8, new Shape(1, 4, 16, 16));
        NDArray times = manager.create(new float[] {800});
        List<String> texts = List.of("an emoji of a " + word + " face");
        Conditioning told =
                Conditioning.of(model.prompts().encode(manager, texts, deltas).context());
        return model.unet().forward(noisy, times, told, deltas);
    }

    private static TokenSpan span(StableDiffusion model, NDManager manager) {
        return TokenSpan.of(
                new TokenBasisSpec(NAMES, null, true), 1, model.prompts().vocabularies(), manager);
    }

    private static TokenEmbeddings tokens(int words, StableDiffusion model, NDManager manager) {
        List<Vocabulary> vocabularies = model.prompts().vocabularies();
        List<TokenEmbeddings.Word> all = IntStream.range(0, words)
                .mapToObj(i -> new TokenEmbeddings.Word("qzx" + i, 1, null))
                .toList();
        return TokenEmbeddings.create(all, vocabularies, WholeWords::of, 5, manager);
    }

    private static NDArray rows(TokenEmbeddings tokens, NDManager manager) {
        return Objects.requireNonNull(tokens.bind(manager).of(Component.TextEncoder))
                .embeddings();
    }

    @Test
    void namesOfTooFewTokensAreRefusedBeforeAnythingIsPrepared() throws Exception {
        TinyRun run = BundledRun.ofCats(folder, TRAINING.formatted(true).replace("count: 1", "count: 2"), "");

        Ran refused = run.run("run");

        assertThat(refused.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(refused.error()).contains("`spec.training.tokens.basis.names` must have 3 or more different tokens");
        assertThat(Files.exists(run.workspace().resolve("dataset/manifest.json")))
                .isFalse();
    }
}
