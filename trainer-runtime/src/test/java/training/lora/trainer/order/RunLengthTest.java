package training.lora.trainer.order;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import training.lora.api.DatasetRole;
import training.lora.api.DatasetSpec;
import training.lora.api.DatasetSpecBuilder;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.api.TrainingSpec;
import training.lora.trainer.TrainerException;

class RunLengthTest {
    private static final List<DatasetSpec> TEN = pictures(10, DatasetRole.Train, 1);

    private static List<DatasetSpec> pictures(int count, DatasetRole role, int repeats) {
        return Collections.nCopies(
                count,
                DatasetSpecBuilder.builder()
                        .name("d")
                        .uri("d")
                        .role(role)
                        .repeats(repeats)
                        .weight(1.0)
                        .build());
    }

    private static RunLength length(String training, List<DatasetSpec> pictures) {
        try {
            return RunLength.of(Json.STRICT_YAML.readValue("{" + training + "}", TrainingSpec.class), pictures);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(training, e);
        }
    }

    private static void assertRefused(String training, List<DatasetSpec> pictures, String sentence) {
        assertThatThrownBy(() -> length(training, pictures)).isInstanceOfSatisfying(TrainerException.class, e -> {
            assertThat(e.reason()).isEqualTo(Reason.InvalidConfiguration);
            assertThat(e).hasMessage(sentence);
        });
    }

    @Test
    void lastBatchOfAnEpochCountsAsAStepWhateverIsMissing() {
        assertThat(length("epochs: 3", TEN).steps()).isEqualTo(30);
        assertThat(length("epochs: 3, batchSize: 4", TEN).steps()).isEqualTo(9);
        assertThat(length("epochs: 3, batchSize: 2, gradientAccumulation: 3", TEN))
                .isEqualTo(RunLengthBuilder.builder()
                        .epochSamples(10)
                        .epochBatches(5)
                        .epochSteps(2)
                        .steps(6)
                        .build());
    }

    @Test
    void repeatsCountAndRegularizationDoublesAnEpochWhileHeldOutPicturesDoNotCount() {
        List<DatasetSpec> mixed = new ArrayList<>(pictures(3, DatasetRole.Train, 4));
        mixed.addAll(pictures(2, DatasetRole.Train, 1));
        mixed.addAll(pictures(7, DatasetRole.Validation, 1));
        assertThat(length("epochs: 2", mixed).steps()).isEqualTo(28);

        mixed.addAll(pictures(50, DatasetRole.Regularization, 3));
        assertThat(length("epochs: 2", mixed).steps()).isEqualTo(56);
    }

    @Test
    void stepsThatAreGivenStandAndTellTheEpochsThatTheyBegin() {
        RunLength length = length("steps: 25", TEN);

        assertThat(length.steps()).isEqualTo(25);
        assertThat(List.of(length.epochs(1), length.epochs(10), length.epochs(11), length.epochs(25)))
                .containsExactly(1L, 1L, 2L, 3L);
        assertThat(length("", TEN).steps()).isEqualTo(1000);
    }

    @Test
    void whatDoesNotFitTheEpochsStepsIsRefused() {
        assertRefused(
                "epochs: 2, optimizer: {schedule: {warmupSteps: 20}}",
                TEN,
                "`spec.training.optimizer.schedule.warmupSteps` must be less than the 20 steps of 2 epochs, was 20");
        assertRefused(
                "epochs: 1000000",
                pictures(5, DatasetRole.Train, 10000),
                "`spec.training.epochs` must come to at most 10000000 steps, but 1000000 epochs of 50000 are 50000000000");
    }
}
