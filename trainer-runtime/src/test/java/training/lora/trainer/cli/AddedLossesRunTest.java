package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import training.lora.trainer.trained.LossLog;

/** What is logged of losses beside the prediction's and of rates that are found, in runs that are gone on from. */
@Timeout(900)
class AddedLossesRunTest {
    private static final String TRAINING =
            "steps: 12, batchSize: 2, precision: Float32, checkpoints: {everySteps: 6}, watchdog: {enabled: false}, adapter: {rank: 2, targets: [Attention]}";

    @TempDir
    Path folder;

    @Test
    void eachIsLoggedByItsFieldAndTheSameAfterAnInterruption() throws IOException {
        TinyRun run = run(
                ", loss: {adapterL1: 0.5, preservation: {emptyPrompt: 1, prompts: [a cat in the rain]}, promptAlignment: {prompt: a dog in a red hat of qzx}},"
                        + " tokens: {count: 2, covarianceWeight: 1, promptNormWeight: 1e-3, triggerNormWeight: 1e-3, attentionWeight: 1e-3, stopFraction: 0.5}");

        Ran ran = run.run("run");

        assertThat(ran.code()).as(ran.error()).isZero();
        List<LossLog.Line> lines = lines(run);
        assertThat(lines).hasSize(12).allSatisfy(line -> {
            assertThat(line.addedLosses())
                    .containsOnlyKeys(
                            "loss.preservation.emptyPrompt",
                            "loss.preservation.prompts",
                            "loss.promptAlignment",
                            "loss.adapterL1",
                            "tokens.deviationWeight",
                            "tokens.covarianceWeight",
                            "tokens.promptNormWeight",
                            "tokens.triggerNormWeight",
                            "tokens.attentionWeight");
            assertThat(line.foundRate()).isNull();
            assertThat(line.tokensFoundRate()).isNull();
        });
        // An adapter that adds nothing yet changes no prediction.
        assertThat(lines.get(0).addedLosses()).containsEntry("loss.preservation.prompts", 0.0);
        assertThat(lines.get(5).addedLosses())
                .allSatisfy((field, loss) -> assertThat(loss).as(field).isPositive());
        assertThat(lines.get(6).addedLosses())
                .as("tokens that stay as they are")
                .containsEntry("tokens.deviationWeight", 0.0)
                .containsEntry("tokens.triggerNormWeight", 0.0);
        assertThat(lines.get(5).tokensLearningRate()).isPositive();
        assertThat(lines.get(6).tokensLearningRate()).isZero();
        assertThat(ran.output())
                .contains(
                        "  addedLosses.loss.adapterL1 0.",
                        "  addedLosses.tokens.deviationWeight 0.",
                        "  tokensLearningRate 0");

        String whole = Files.readString(run.workspace().resolve("train/loss.jsonl"));
        run.interruptBefore(12);
        assertThat(run.run("run", "--attempt", "2").code()).isZero();
        assertThat(run.workspace().resolve("train/loss.jsonl")).hasContent(whole);
    }

    @Test
    void theRatesThatProdigyFindsAreLoggedBesideThoseThatTheyAreMultipliedBy() throws IOException {
        TinyRun run = run(
                ", optimizer: {type: Prodigy, dCoefficient: 10}, tokens: {count: 1, optimizer: Prodigy, deviationWeight: 0}");

        Ran ran = run.run("run");

        assertThat(ran.code()).as(ran.error()).isZero();
        List<LossLog.Line> lines = lines(run);
        assertThat(lines).hasSize(12).allSatisfy(line -> {
            assertThat(line.addedLosses()).isNull();
            assertThat(line.tokensLearningRate()).isNotNull();
            assertThat(line.foundRate()).isBetween(0.0, 0.1 * line.learningRate());
            assertThat(line.tokensFoundRate()).isBetween(0.0, 0.1);
        });
        LossLog.Line eighth = lines.get(7);
        assertThat(distance(eighth)).isGreaterThan(2 * distance(lines.get(0)));
        assertThat(eighth.foundRate()).isNotEqualTo(eighth.tokensFoundRate());
        assertThat(ran.output()).contains("  foundRate 0.", "  tokensFoundRate 0");
    }

    @Test
    void aRateThatProdigyHasNotFoundByTheMiddleIsWarnedOf() throws IOException {
        Ran ran = run(", optimizer: {type: Prodigy}").run("run");

        assertThat(ran.code()).as(ran.error()).isZero();
        assertThat(ran.output() + ran.error())
                .containsOnlyOnce("by step 6 Prodigy has found a rate of 0.00000")
                .contains("for the adapter, having begun at 0.000001000, so that little is learned: ");
    }

    @Test
    void aLineOfNeitherIsWhatItWas() throws IOException {
        TinyRun run = run("");

        assertThat(run.run("run").code()).isZero();

        assertThat(Files.readAllLines(run.workspace().resolve("train/loss.jsonl"))
                        .get(0))
                .matches(
                        "\\{\"step\":1,\"loss\":[^,]+,\"learningRate\":[^,]+,\"gradientNorm\":[^,]+,\"samples\":[^]]+]}");
    }

    private static double distance(LossLog.Line line) {
        return Objects.requireNonNull(line.foundRate()) / line.learningRate();
    }

    private static List<LossLog.Line> lines(TinyRun run) throws IOException {
        return new LossLog(run.workspace().resolve("train").resolve(LossLog.FILE)).lines();
    }

    private TinyRun run(String more) throws IOException {
        return TinyRun.create(folder, TRAINING + more).of("mode: Object, trigger: qzx, className: cat");
    }
}
