package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Losses and priors from the configuration to the files, in runs that are gone on from. */
@Timeout(900)
class LossRunTest {
    private static final String TRAINING =
            "steps: 12, batchSize: 2, precision: Float32, checkpoints: {everySteps: 6}, adapter: {rank: 2, targets: [Attention]}, optimizer: {learningRate: 1e-2}, loss: {%s}, tokens: {%s}";

    private static final String CONCEPT = "mode: Object, trigger: qzx, className: cat, description: a dog in a red hat";

    private static final String TOKENS = "count: 2, learningRate: 1e-2";

    /** The watchdog measures losses over far more batches than these trainings have steps. */
    private static final String UNWATCHED = TRAINING + ", watchdog: {enabled: false}";

    /** Adapters that were learned without any of this, by their tokens. */
    private static final Map<String, byte[]> PLAIN = new TreeMap<>();

    @TempDir
    Path folder;

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            nullValues = "none",
            quoteCharacter = '#',
            value = {
                "promptNoise: 0.5 | none",
                "adapterL1: 0.5 | none",
                "promptNoise: 0.5 | promptNormWeight: 1e-3",
                "offsetNoise: 0 | promptNormWeight: 1e-3",
                "offsetNoise: 0 | triggerNormWeight: 1e-3",
                "offsetNoise: 0 | descriptionSteps: 10",
                "preservation: {prompts: ['<caption>', a cat in the rain], promptWeight: 2} | none",
                "preservation: {prompts: ['<caption>']} | stopFraction: 0.7",
                "offsetNoise: 0 | attentionWeight: 1e-3",
                "timesteps: LossHistory, minimumTimestep: 500, maximumTimestep: 501 | none",
            })
    void eachChangesWhatIsLearnedAndIsGoneOnFromWithTheSameBits(String loss, String tokens) throws Exception {
        TinyRun run = run("one", UNWATCHED.formatted(loss, tokens == null ? "" : TOKENS + ", " + tokens));
        byte[] whole = trained(run);
        run.interruptBefore(12);

        Ran again = run.run("run", "--attempt", "2");

        assertThat(again.code()).as(again.error()).isZero();
        assertThat(again.output() + again.error()).contains("going on from step 6 of 12");
        assertThat(run.lora()).isEqualTo(whole);
        assertThat(plain(tokens == null ? "" : TOKENS)).hasSameSizeAs(whole).isNotEqualTo(whole);
    }

    private byte[] plain(String tokens) throws Exception {
        byte[] known = PLAIN.get(tokens);
        if (known == null) {
            known = trained(run("other", UNWATCHED.formatted("", tokens)));
            PLAIN.put(tokens, known);
        }
        return known;
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            nullValues = "none",
            quoteCharacter = '#',
            value = {
                "offsetNoise: 0 | attentionWeight: 1e-3, promptNormWeight: 1e-3",
                "preservation: {prompts: ['<caption>'], emptyPrompt: 1} | none",
            })
    void eachLearnsTheSameBitsWhereBlocksAreComputedAgain(String loss, String tokens) throws Exception {
        String training = TRAINING.formatted(loss, tokens == null ? "" : TOKENS + ", " + tokens);
        byte[] whole = trained(run("one", training));

        assertThat(trained(run("again", training + ", gradientCheckpointing: true, watchdog: {enabled: false}")))
                .isEqualTo(whole);
    }

    /** XL's two text encoders and its pooled embeddings, sizes and positions stand in for each text of a loss. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            nullValues = "none",
            quoteCharacter = '#',
            value = {
                "promptNoise: 0.5 | none",
                "preservation: {prompts: ['<caption>', a cat in the rain], emptyPrompt: 1} | none",
                "promptAlignment: {prompt: a dog in a red hat of qzx} | none",
                "offsetNoise: 0 | promptNormWeight: 1e-3",
                "offsetNoise: 0 | attentionWeight: 1e-3",
                "offsetNoise: 0 | descriptionSteps: 10",
            })
    void eachChangesWhatXlLearnsAndIsGoneOnFromWithTheSameBits(String loss, String tokens) throws Exception {
        String all = tokens == null ? "" : TOKENS + ", " + tokens;
        TinyRun run = runOfXl("one", UNWATCHED.formatted(loss, all));
        byte[] whole = trained(run);
        run.interruptBefore(12);

        assertThat(trained(run)).isEqualTo(whole);
        TinyRun plain = runOfXl("other", UNWATCHED.formatted("", tokens == null ? "" : TOKENS));
        assertThat(trained(plain)).hasSameSizeAs(whole).isNotEqualTo(whole);
    }

    private static byte[] trained(TinyRun run) throws IOException {
        Ran ended = run.run("run");
        assertThat(ended.code()).as(ended.error()).isZero();
        return run.lora();
    }

    private TinyRun run(String name, String training) throws IOException {
        return TinyRun.create(Files.createDirectory(folder.resolve(name)), training)
                .of(CONCEPT);
    }

    private TinyRun runOfXl(String name, String training) throws IOException {
        return TinyRun.createXl(Files.createDirectory(folder.resolve(name)), training, "{enabled: false}")
                .of(CONCEPT);
    }
}
