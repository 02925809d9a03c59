package training.lora.trainer.train;

import ai.djl.Device;
import training.lora.api.BaseWeights;
import training.lora.api.Reason;
import training.lora.api.TrainingSpec;
import training.lora.trainer.TrainerException;
import training.lora.trainer.model.layer.Keep;

/**
 * What a training does to need less memory.
 *
 * @param keep what of a recorded pass is kept
 * @param baseWeights how the networks that it runs at every step keep their frozen weights
 */
record MemoryChoice(Keep keep, BaseWeights baseWeights) {
    /**
     * What {@code training} asks for.
     *
     * @param device that it runs on
     * @throws TrainerException InvalidConfiguration for int8 elsewhere than on the CPU
     */
    static MemoryChoice of(TrainingSpec training, Device device) {
        BaseWeights form = training.baseWeights() == null ? BaseWeights.Full : training.baseWeights();
        if (form == BaseWeights.Int8 && device.isGpu()) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`spec.training.baseWeights` must be Full on a card, where a step with weights in int8 is not"
                            + " proven, was " + form);
        }
        return new MemoryChoice(
                Boolean.TRUE.equals(training.gradientCheckpointing()) ? Keep.BlockInputs : Keep.LayerStates, form);
    }
}
