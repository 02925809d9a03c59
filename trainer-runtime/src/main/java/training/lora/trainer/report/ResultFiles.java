package training.lora.trainer.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.api.Artifact;
import training.lora.api.Checkpoint;
import training.lora.api.Json;
import training.lora.api.StageResult;
import training.lora.api.StageResultBuilder;
import training.lora.trainer.files.WholeFile;

/** Writes a stage's result: whole into the workspace, and as a termination message that fits Kubernetes' limit. */
public final class ResultFiles {
    private ResultFiles() {}

    /** Writes the termination message where there is one, then result.json of the stage's folder, which may be full. */
    public static void write(StageResult result, Path stageFolder, @Nullable Path terminationMessage)
            throws IOException {
        if (terminationMessage != null) {
            Files.write(terminationMessage, fit(result));
        }
        WholeFile.write(
                stageFolder.resolve("result.json"), temporary -> Json.PRETTY.writeValue(temporary.toFile(), result));
    }

    /** What matters least goes first: metrics of checkpoints, then artifacts but the adapters, then the message's end. */
    public static byte[] fit(StageResult r) throws JsonProcessingException {
        StageResult smaller = r;
        for (int step = 0; bytes(smaller).length > StageResult.MAX_BYTES && step < 5; step++) {
            List<Checkpoint> checkpoints = step == 0
                    ? smaller.checkpoints().stream()
                            .map(c -> new Checkpoint(c.step(), List.of()))
                            .toList()
                    : step == 1 ? List.of() : smaller.checkpoints();
            List<Artifact> artifacts = step == 2
                    ? smaller.artifacts().stream()
                            .filter(a -> a.format() != null)
                            .toList()
                    : step == 3 ? List.of() : smaller.artifacts();
            String message = smaller.message();
            if (step == 4 && message != null) {
                message = message.substring(0, Math.min(message.length(), 600)) + "…";
            }
            smaller = StageResultBuilder.builder(r)
                    .message(message)
                    .checkpoints(checkpoints)
                    .artifacts(artifacts)
                    .build();
        }
        return bytes(smaller);
    }

    private static byte[] bytes(StageResult result) throws JsonProcessingException {
        return Json.MAPPER.writeValueAsString(result).getBytes(StandardCharsets.UTF_8);
    }
}
