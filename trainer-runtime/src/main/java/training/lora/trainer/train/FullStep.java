package training.lora.trainer.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.api.TrainingSpec;
import training.lora.trainer.diffusion.NoiseSchedule;
import training.lora.trainer.model.PromptEncoder;
import training.lora.trainer.model.TrainedPrompts;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.model.unet.TrainedUNet;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.model.weights.Parameter;
import training.lora.trainer.train.batch.Batch;
import training.lora.trainer.train.batch.BatchSource;
import training.lora.trainer.train.batch.Told;
import training.lora.trainer.train.objective.LossTerm;
import training.lora.trainer.train.objective.Objective;
import training.lora.trainer.train.optimizer.FusedOptimizer;
import training.lora.trainer.train.optimizer.Rates;

/**
 * One step of training the own weights of the denoiser, and of text encoders where these are trained; they move on the way
 * back: of one batch, without clipping.
 */
final class FullStep implements TrainingStep {
    private final TrainedUNet unet;
    private final @Nullable TrainedPrompts prompts;
    private final Networks networks;
    private final Objective objective;
    private final FusedOptimizer optimizer;
    private final StepLog log;
    private final NDManager manager;

    /** @param prompts the text encoders where they are trained, else null */
    FullStep(
            UNet unet,
            @Nullable PromptEncoder prompts,
            NoiseSchedule schedule,
            TrainingSpec training,
            NDManager parent) {
        this.unet = new TrainedUNet(unet);
        this.prompts = prompts == null ? null : new TrainedPrompts(prompts);
        this.networks = new Networks(unet, prompts);
        this.objective = new Objective(schedule, training.loss());
        this.manager = parent.newSubManager();
        Map<Component, List<List<Parameter>>> layers = new EnumMap<>(Map.of(Component.UNet, this.unet.layers()));
        if (this.prompts != null) {
            layers.putAll(this.prompts.layers());
        }
        this.optimizer = new FusedOptimizer(layers, training, manager);
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
            FusedOptimizer.Step moving = optimizer.begin(rates, scope);
            boolean toText = rates.stream().skip(1).anyMatch(Rates::moving);
            LossTerm.Value value = toText ? backToTexts(batch, moving, scope) : back(batch, moving, scope);
            log.add(value.loss(), scope);
            log.end(moving.end(), scope);
        }
    }

    /** The way back through the denoiser alone. */
    private LossTerm.Value back(Batch batch, FusedOptimizer.Step moving, NDManager scope) {
        Conditioning told = networks.told(batch.told(), ProjectionDeltas.NONE, scope);
        TrainedUNet.Recording recording =
                unet.record(objective.noisy(batch, scope), LoraStep.times(batch, scope), told, moving);
        LossTerm.Value value = value(recording, batch, scope);
        recording.backward(value.gradient());
        return value;
    }

    private LossTerm.Value backToTexts(Batch batch, FusedOptimizer.Step moving, NDManager scope) {
        Told.Texts told = (Told.Texts) batch.told();
        PromptEncoder.Recording texts = Objects.requireNonNull(prompts).record(scope, told.texts(), moving);
        TrainedUNet.Recording recording = unet.recordToText(
                objective.noisy(batch, scope),
                LoraStep.times(batch, scope),
                Networks.conditioning(texts.embedding(), told),
                moving);
        LossTerm.Value value = value(recording, batch, scope);
        recording.backward(value.gradient());
        texts.backward(recording.toText());
        return value;
    }

    private LossTerm.Value value(TrainedUNet.Recording recording, Batch batch, NDManager scope) {
        return objective.of(recording.output(), batch, batch.timesteps().length, scope);
    }

    /** Averages stand in the place of weights where they are kept. */
    @Override
    public Held hold() {
        return optimizer.hold()::close;
    }

    @Override
    public NDArray loss(Batch batch, NDManager scope) {
        NDArray predicted = networks.forward(
                objective.noisy(batch, scope), LoraStep.times(batch, scope), batch.told(), ProjectionDeltas.NONE);
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
