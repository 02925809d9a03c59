package training.lora.trainer.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.api.TrainingSpec;
import training.lora.trainer.diffusion.NoiseSchedule;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.model.unet.TrainedUNet;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.train.batch.Batch;
import training.lora.trainer.train.batch.BatchSource;
import training.lora.trainer.train.batch.Told;
import training.lora.trainer.train.objective.LossTerm;
import training.lora.trainer.train.objective.Objective;
import training.lora.trainer.train.optimizer.FusedOptimizer;
import training.lora.trainer.train.optimizer.Rates;

/** One step of training the denoiser's own weights, which move on the way back: of one batch, without clipping. */
final class FullStep implements TrainingStep {
    private final TrainedUNet unet;
    private final Objective objective;
    private final FusedOptimizer optimizer;
    private final StepLog log;
    private final NDManager manager;

    FullStep(UNet unet, NoiseSchedule schedule, TrainingSpec training, NDManager parent) {
        this.unet = new TrainedUNet(unet);
        this.objective = new Objective(schedule, training.loss());
        this.manager = parent.newSubManager();
        this.optimizer = new FusedOptimizer(
                this.unet.layers(), training.optimizer(), training.keepsMasterWeights(), training.seed(), manager);
        this.log = new StepLog(manager);
    }

    /** What moves the weights, which holds all that the next step depends on. */
    FusedOptimizer optimizer() {
        return optimizer;
    }

    @Override
    public void train(BatchSource batches, int step, List<Rates> rates) {
        try (NDManager scope = manager.newSubManager()) {
            Batch batch = batches.at(step, scope);
            FusedOptimizer.Step moving = optimizer.begin(rates.get(0), scope);
            TrainedUNet.Recording recording =
                    unet.record(objective.noisy(batch, scope), LoraStep.times(batch, scope), told(batch), moving);
            LossTerm.Value value = objective.of(recording.output(), batch, batch.timesteps().length, scope);
            recording.backward(value.gradient());
            log.add(value.loss(), scope);
            log.end(moving.norm(), scope);
        }
    }

    private static Conditioning told(Batch batch) {
        return ((Told.Embedded) batch.told()).conditioning();
    }

    @Override
    public NDArray loss(Batch batch, NDManager scope) {
        NDArray predicted = unet.unet()
                .forward(
                        objective.noisy(batch, scope),
                        LoraStep.times(batch, scope),
                        told(batch),
                        ProjectionDeltas.NONE);
        return objective.of(predicted, batch, batch.timesteps().length, scope).loss();
    }

    @Override
    public @Nullable NDArray baseLoss(Batch batch, NDManager scope) {
        return null;
    }

    @Override
    public StepLog log() {
        return log;
    }

    @Override
    public void close() {
        optimizer.close();
        manager.close();
    }
}
