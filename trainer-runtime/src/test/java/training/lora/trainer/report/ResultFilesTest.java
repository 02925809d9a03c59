package training.lora.trainer.report;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import training.lora.api.AdapterFormat;
import training.lora.api.Artifact;
import training.lora.api.Checkpoint;
import training.lora.api.Json;
import training.lora.api.Metric;
import training.lora.api.Outcome;
import training.lora.api.Stage;
import training.lora.api.StageResult;
import training.lora.api.StageResultBuilder;

class ResultFilesTest {
    private static StageResult result(int checkpoints, int artifacts) {
        List<Checkpoint> all = new ArrayList<>();
        for (int i = 1; i <= checkpoints; i++) {
            all.add(new Checkpoint(i, List.of(Metric.of("score", i), Metric.of("textAlignment", i))));
        }
        List<Artifact> files = new ArrayList<>();
        for (int i = 0; i < artifacts; i++) {
            files.add(new Artifact(
                    "lora", i == 0 ? AdapterFormat.Kohya : null, "output/file-" + i, 1000L, "0".repeat(64)));
        }
        return StageResultBuilder.builder()
                .version(StageResult.VERSION)
                .runId("abc")
                .stage(Stage.Evaluate)
                .attempt(1)
                .outcome(Outcome.Succeeded)
                .alreadyComplete(false)
                .checkpoints(all)
                .artifacts(files)
                .model("SD15")
                .baseModelDigest("a".repeat(64))
                .datasetDigest("b".repeat(64))
                .best(all.get(0))
                .build();
    }

    @Test
    void smallResultIsWrittenWhole() throws IOException {
        StageResult whole = result(4, 6);

        assertThat(Json.MAPPER.readValue(ResultFiles.fit(whole), StageResult.class))
                .isEqualTo(whole);
    }

    @Test
    void bigResultKeepsTheBestAndTheAdapterWithinTheLimit() throws IOException {
        byte[] bytes = ResultFiles.fit(result(100, 60));

        StageResult read = Json.MAPPER.readValue(bytes, StageResult.class);
        assertThat(bytes.length).isLessThanOrEqualTo(StageResult.MAX_BYTES);
        assertThat(read.best()).isEqualTo(result(1, 1).best());
        assertThat(read.artifacts()).hasSize(1);
    }
}
