package training.lora.trainer.cli;

import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.api.Manifest;
import training.lora.api.Outcome;
import training.lora.api.Stage;
import training.lora.api.StageResult;
import training.lora.api.StageResultBuilder;
import training.lora.trainer.TrainerException;
import training.lora.trainer.dataset.DatasetManifest;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.evaluate.EvaluateStage;
import training.lora.trainer.evaluate.ScoreJudge;
import training.lora.trainer.prepare.CaptionReview;
import training.lora.trainer.prepare.FinishedRun;
import training.lora.trainer.prepare.PrepareStage;
import training.lora.trainer.publish.Publisher;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.train.TrainStage;

/** Runs a stage and says what came of it in the operator's terms. */
final class Stages {
    private Stages() {}

    /**
     * Runs a stage.
     *
     * @param trains whether this process goes on to train what it prepares: elsewhere data may be prepared on another device than
     *     the one that trains
     * @param found why it isn't finished, and what there is to go on with
     */
    static StageResult run(RunContext context, Stage stage, boolean trains, FinishedRun.Found found)
            throws IOException {
        if (stage == Stage.Prepare && trains) {
            TrainStage.requirePossible(context);
        }
        DatasetManifest prepared = found.prepared();
        StageResult result = stage == Stage.Prepare ? prepare(context, prepared) : run(context, stage);
        return StageResultBuilder.builder(result)
                .message(joined(found.note(), result.message()))
                .build();
    }

    private static @Nullable String joined(@Nullable String first, @Nullable String second) {
        return first == null ? second : second == null ? first : first + "; " + second;
    }

    /** @param prepared the data to go on with; null where they must be prepared */
    private static StageResult prepare(RunContext context, @Nullable DatasetManifest prepared) throws IOException {
        @Nullable CaptionReview review = CaptionReview.begin(context);
        PrepareStage.Result r = prepared == null ? PrepareStage.run(context) : new PrepareStage.Result(prepared, null);
        StageResultBuilder result = of(context, Stage.Prepare, r.data()).message(r.note());
        if (review != null) {
            CaptionReview.Offer offer = review.offer(r.data());
            result.artifacts(List.of(offer.captions())).message(joined(r.note(), offer.note()));
        }
        return result.build();
    }

    private static StageResult run(RunContext context, Stage stage) throws IOException {
        switch (stage) {
            case Prepare -> {
                return prepare(context, null);
            }
            case Train -> {
                String review = CaptionReview.pauses(context.run().spec()) ? CaptionReview.take(context) : null;
                TrainStage.Result r = TrainStage.run(context, ScoreJudge::open);
                return of(context, stage, data(context))
                        .best(r.last())
                        .checkpoints(r.checkpoints())
                        .artifacts(r.artifacts())
                        .stoppedEarly(r.stoppedEarly())
                        .message(joined(review, r.note()))
                        .build();
            }
            case Evaluate -> {
                if (!context.run().spec().evaluation().enabled()) {
                    return of(context, stage, EvaluateStage.requireTrained(context))
                            .build();
                }
                EvaluateStage.Result r = EvaluateStage.run(context);
                return of(context, stage, data(context))
                        .base(r.base())
                        .best(r.best())
                        .checkpoints(r.checkpoints())
                        .artifacts(r.artifacts())
                        .message(r.note())
                        .build();
            }
        }
        throw new IllegalStateException(stage.name());
    }

    /** The result of a run that was finished before, from its manifest. */
    static StageResult alreadyComplete(RunContext context, Stage stage, Manifest manifest, @Nullable String note)
            throws IOException {
        return ended(context.run().runId(), stage, context.attempt(), Outcome.Succeeded)
                .alreadyComplete(true)
                .stoppedEarly(manifest.stoppedEarly())
                .message(note)
                .model(manifest.model())
                .baseModelDigest(manifest.baseModelDigest())
                .datasetDigest(manifest.datasetDigest())
                .base(manifest.base())
                .best(manifest.best())
                .checkpoints(manifest.checkpoints())
                .artifacts(new Publisher(context).mainArtifacts(manifest.files()))
                .build();
    }

    /** A failure of a stage that was begun, with what the next attempt can go on from. */
    static StageResult failed(RunContext context, Stage stage, TrainerException failure) {
        return StageResultBuilder.builder(failed(context.run().runId(), stage, context.attempt(), failure))
                .saved(stage == Stage.Train ? context.saved() : null)
                .build();
    }

    static StageResult failed(String runId, Stage stage, int attempt, TrainerException failure) {
        return ended(runId, stage, attempt, Outcome.Failed)
                .reason(failure.reason())
                .message(failure.getMessage())
                .build();
    }

    private static DatasetManifest data(RunContext context) {
        return PreparedDataset.manifest(context.workspace().dataset());
    }

    /** A success, with what the data say of the run. */
    private static StageResultBuilder of(RunContext context, Stage stage, DatasetManifest data) {
        return ended(context.run().runId(), stage, context.attempt(), Outcome.Succeeded)
                .model(data.model())
                .baseModelDigest(data.baseModelDigest())
                .datasetDigest(data.digest());
    }

    /** A stage's end of which nothing else is known yet. */
    private static StageResultBuilder ended(String runId, Stage stage, int attempt, Outcome outcome) {
        return StageResultBuilder.builder()
                .version(StageResult.VERSION)
                .runId(runId)
                .stage(stage)
                .attempt(attempt)
                .outcome(outcome)
                .alreadyComplete(false)
                .checkpoints(List.of())
                .artifacts(List.of())
                .builder();
    }
}
