package training.lora.trainer.train.progress;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Metric;
import training.lora.api.ProgressMessage;
import training.lora.trainer.order.RunLength;
import training.lora.trainer.order.RunLengthBuilder;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.run.Workspace;
import training.lora.trainer.source.Sources;
import training.lora.trainer.source.Surroundings;
import training.lora.trainer.train.progress.StageClock.Phase;
import training.lora.trainer.trained.LossLog;
import training.lora.trainer.trained.TestRuns;

/** Where the time of a stage goes, of one beside others too. */
class StageClockTest {
    private long now;

    private final StageClock clock = new StageClock(() -> now);

    private void spend(Phase phase, int seconds) {
        clock.enter(phase);
        now += seconds * 1_000_000_000L;
    }

    @Test
    void turnsOfOthersAreNoneOfItsTime() {
        spend(Phase.Load, 50);
        spend(Phase.Steps, 6);
        spend(Phase.Neighbours, 100);
        spend(Phase.Other, 2);

        assertThat(clock.usefulShare()).isCloseTo(0.75, within(1e-9));
        assertThat(clock.phases()).contains(Phase.Neighbours);
        assertThat(clock.toString()).contains("steps 6.0 s").contains("neighbours 100.0 s");
    }

    @Test
    void othersLetARunWaitButMakeItsStepsNoSlower(@TempDir Path folder) throws IOException {
        List<ProgressMessage> told = new ArrayList<>();
        RunContext context = new RunContext(
                TestRuns.run("batchSize: 4"),
                1,
                Workspace.of(folder),
                Sources.of(name -> null, folder),
                told::add,
                new Surroundings(name -> null, () -> false),
                NDManager.newBaseManager("PyTorch"));
        RunLength length = RunLengthBuilder.builder()
                .epochSamples(10)
                .epochBatches(10)
                .epochSteps(10)
                .steps(10)
                .build();
        TrainProgress progress = new TrainProgress(context, length, clock, new LossLog(folder.resolve(LossLog.FILE)));
        // At first they prepare their data and load their models.
        spend(Phase.Neighbours, 600);
        for (int i = 0; i < 3; i++) {
            spend(Phase.Steps, 2);
            progress.stepped();
            spend(Phase.Neighbours, 6);
        }
        spend(Phase.Other, 0);

        progress.report(0, null);

        context.manager().close();
        ProgressMessage message = told.get(0);
        assertThat(message.metrics())
                .extracting(Metric::name, Metric::number)
                .containsExactly(tuple("imagesPerSecond", 2.0));
        assertThat(message.estimatedRemainingSeconds()).isEqualTo(80);
    }

    @Test
    void turnsOfThoseThatHaveEndedCountNoMore() {
        for (int i = 0; i < 10; i++) {
            spend(Phase.Neighbours, 6);
            spend(Phase.Steps, 2);
        }
        for (int i = 0; i < 3; i++) {
            spend(Phase.Neighbours, 0);
            spend(Phase.Steps, 2);
        }

        assertThat(clock.turnSeconds()).isZero();
        assertThat(clock.seconds(Phase.Neighbours)).isEqualTo(60);
    }

    @Test
    void aloneThereAreNone() {
        spend(Phase.Steps, 6);

        assertThat(clock.phases()).doesNotContain(Phase.Neighbours).contains(Phase.Samples);
        assertThat(clock.toString()).doesNotContain("neighbours");
    }
}
