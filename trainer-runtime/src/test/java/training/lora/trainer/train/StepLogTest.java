package training.lora.trainer.train;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import training.lora.trainer.train.objective.AddedLoss;
import training.lora.trainer.train.progress.MeasuredStep;

class StepLogTest {
    @Test
    void addedLossesAndDistancesAreThoseOfTheirSteps() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray distance = manager.create(new float[] {0.5f, 7, 8});
            StepLog log =
                    new StepLog(List.of(AddedLoss.AdapterL1, AddedLoss.EmptyPrompt), Map.of(1, distance), manager);

            log.add(manager.create(1f), manager);
            log.add(AddedLoss.EmptyPrompt, manager.create(2f), manager);
            log.add(AddedLoss.EmptyPrompt, manager.create(3f), manager);
            log.add(AddedLoss.AdapterL1, manager.create(4f), manager);
            log.end(manager.create(9f), manager);
            distance.muli(2);
            log.add(manager.create(6f), manager);
            log.add(AddedLoss.AdapterL1, null, manager);
            log.end(manager.create(10f), manager);

            assertThat(log.drain())
                    .containsExactly(
                            new MeasuredStep(
                                    1,
                                    9,
                                    Map.of("loss.preservation.emptyPrompt", 5.0, "loss.adapterL1", 4.0),
                                    Map.of(1, 0.5)),
                            new MeasuredStep(
                                    6,
                                    10,
                                    Map.of("loss.preservation.emptyPrompt", 0.0, "loss.adapterL1", 0.0),
                                    Map.of(1, 1.0)));
        }
    }
}
