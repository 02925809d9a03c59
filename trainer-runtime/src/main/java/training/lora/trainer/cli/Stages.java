package training.lora.trainer.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.api.Artifact;
import training.lora.api.Checkpoint;
import training.lora.api.Manifest;
import training.lora.api.Outcome;
import training.lora.api.Stage;
import training.lora.api.StageResult;
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
                DatasetManifest data = PrepareStage.run(context);
                return result(context, stage, data, null, null, List.of(), List.of());
            }
            case Train -> {
                TrainStage.Result r = TrainStage.run(context);
                return result(context, stage, data(context), null, r.last(), r.checkpoints(), r.artifacts());
            }
            case Evaluate -> {
                if (!context.run().spec().evaluation().enabled()) {
                    return result(context, stage, data(context), null, null, List.of(), List.of());
                }
                EvaluateStage.Result r = EvaluateStage.run(context);
                return result(context, stage, data(context), r.base(), r.best(), r.checkpoints(), r.artifacts());
            }
        }
        throw new IllegalStateException(stage.name());
    }

    /** The result of a run that was finished before, from its manifest. */
    static StageResult alreadyComplete(RunContext context, Stage stage, Manifest manifest) throws IOException {
        Path file = context.workspace().output().resolve(Publisher.MANIFEST);
        List<Artifact> artifacts = new java.util.ArrayList<>();
        for (Artifact a : manifest.files()) {
            if (!a.uri().startsWith("checkpoints/")) {
                artifacts.add(new Artifact(a.name(), a.format(), "output/" + a.uri(), a.sizeBytes(), a.sha256()));
            }
        }
        artifacts.add(new Artifact(
                "manifest", null, "output/" + Publisher.MANIFEST, Files.size(file), Publisher.digest(file)));
        return new StageResult(
                StageResult.VERSION,
                context.run().runId(),
                stage,
                context.attempt(),
                Outcome.Succeeded,
                null,
                null,
                true,
                manifest.model(),
                manifest.baseModelDigest(),
                manifest.datasetDigest(),
                manifest.base(),
                manifest.best(),
                manifest.checkpoints(),
                artifacts);
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
            List<Artifact> artifacts) {
        return new StageResult(
                StageResult.VERSION,
                context.run().runId(),
                stage,
                context.attempt(),
                Outcome.Succeeded,
                null,
                null,
                false,
                data.model(),
                data.baseModelDigest(),
                data.digest(),
                base,
                best,
                checkpoints,
                artifacts);
    }
}
