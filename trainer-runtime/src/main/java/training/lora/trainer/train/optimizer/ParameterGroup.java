package training.lora.trainer.train.optimizer;

import io.soabase.recordbuilder.core.RecordBuilder;
import training.lora.api.OptimizerSpec;
import training.lora.api.ScheduleSpec;
import training.lora.trainer.model.layer.Component;

/**
 * How some tensors move, as torch's parameter groups have it.
 *
 * @param rate the highest learning rate, before {@code factor}
 * @param schedule the rate's warm-up and course, which begin with the group's first step and end with the training
 * @param factor what the rate is multiplied by
 * @param weightDecay decoupled
 * @param start share of the training before which its weights and moments do not move, from 0 to below {@code stop}
 * @param stop share of the training from which they do not move any more, up to 1
 */
@RecordBuilder
public record ParameterGroup(
        double rate, ScheduleSpec schedule, double factor, double weightDecay, double start, double stop) {
    /** Keeps a share such as 0.07 of 100 steps from being a step more. */
    private static final double ROUNDING = 1e-9;

    public ParameterGroup {
        if (!(start >= 0 && start < stop && stop <= 1)) {
            throw new IllegalArgumentException(
                    "a group must start before it stops, within 0 and 1, but has %s and %s".formatted(start, stop));
        }
    }

    /** One that moves through all of a training as {@code settings} say. */
    public static ParameterGroup of(OptimizerSpec settings) {
        return ParameterGroupBuilder.builder()
                .rate(settings.highestLearningRate())
                .schedule(settings.schedule())
                .factor(1)
                .weightDecay(settings.weightDecay())
                .start(0)
                .stop(1)
                .build();
    }

    /** One of a part of the model, which has its share of the rate and of the steps. */
    static ParameterGroup of(OptimizerSpec settings, Component component) {
        boolean text = component != Component.UNet;
        return ParameterGroupBuilder.builder(of(settings))
                .factor(text ? settings.textEncoderFactor() : 1)
                .start(text ? 0 : settings.start())
                .stop(text ? settings.textEncoderStop() : settings.stop())
                .build();
    }

    /** Its first step in a training of {@code steps}, from 0. */
    int first(int steps) {
        return at(start, steps);
    }

    /** Behind its last step. */
    int end(int steps) {
        return at(stop, steps);
    }

    private static int at(double share, int steps) {
        return (int) Math.ceil(share * steps - ROUNDING);
    }
}
