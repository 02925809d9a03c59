package training.lora.trainer.cli;

import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.api.Artifact;
import training.lora.api.Checkpoint;
import training.lora.api.Manifest;
import training.lora.api.Outcome;
import training.lora.api.Stage;
import training.lora.api.StageResult;
import training.lora.trainer.TrainerException;
import training.lora.trainer.dataset.DatasetManifest;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.evaluate.EvaluateStage;
import training.lora.trainer.prepare.PrepareStage;
import training.lora.trainer.publish.Publisher;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.train.TrainStage;

/** Runs a stage and says what came of it in the operator's terms. */
final class Stages {
    private Stages() {}

    static StageResult run(RunContext context, Stage stage) throws IOException {
        switch (stage) {
            case Prepare -> {
                PrepareStage.Result r = PrepareStage.run(context);
                return result(context, stage, r.data(), null, null, List.of(), List.of(), r.note());
            }
            case Train -> {
                TrainStage.Result r = TrainStage.run(context);
                return result(context, stage, data(context), null, r.last(), r.checkpoints(), r.artifacts(), r.note());
            }
            case Evaluate -> {
                if (!context.run().spec().evaluation().enabled()) {
                    return result(context, stage, data(context), null, null, List.of(), List.of(), null);
                }
                EvaluateStage.Result r = EvaluateStage.run(context);
                return result(context, stage, data(context), r.base(), r.best(), r.checkpoints(), r.artifacts(), null);
            }
        }
        throw new IllegalStateException(stage.name());
    }

    /** The result of a run that was finished before, from its manifest. */
    static StageResult alreadyComplete(RunContext context, Stage stage, Manifest manifest) throws IOException {
        return succeeded(
                context,
                stage,
                true,
                manifest.model(),
                manifest.baseModelDigest(),
                manifest.datasetDigest(),
                manifest.base(),
                manifest.best(),
                manifest.checkpoints(),
                Publisher.mainArtifacts(manifest.files(), context.workspace().output()),
                null);
    }

    static StageResult failed(String runId, Stage stage, int attempt, TrainerException failure) {
        return new StageResult(
                StageResult.VERSION,
                runId,
                stage,
                attempt,
                Outcome.Failed,
                failure.reason(),
                failure.getMessage(),
                false,
                null,
                null,
                null,
                null,
                null,
                List.of(),
                List.of());
    }

    private static DatasetManifest data(RunContext context) {
        return PreparedDataset.manifest(context.workspace().dataset());
    }

    private static StageResult result(
            RunContext context,
            Stage stage,
            DatasetManifest data,
            @Nullable Checkpoint base,
            @Nullable Checkpoint best,
            List<Checkpoint> checkpoints,
            List<Artifact> artifacts,
            @Nullable String note) {
        return succeeded(
                context,
                stage,
                false,
                data.model(),
                data.baseModelDigest(),
                data.digest(),
                base,
                best,
                checkpoints,
                artifacts,
                note);
    }

    private static StageResult succeeded(
            RunContext context,
            Stage stage,
            boolean alreadyComplete,
            String model,
            String baseModelDigest,
            String datasetDigest,
            @Nullable Checkpoint base,
            @Nullable Checkpoint best,
            List<Checkpoint> checkpoints,
            List<Artifact> artifacts,
            @Nullable String note) {
        return new StageResult(
                StageResult.VERSION,
                context.run().runId(),
                stage,
                context.attempt(),
                Outcome.Succeeded,
                null,
                note,
                alreadyComplete,
                model,
                baseModelDigest,
                datasetDigest,
                base,
                best,
                checkpoints,
                artifacts);
    }
}
