package training.lora.api;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The CRD's CEL rules of optimizers and of what they may be combined with, with the same sentences.
 *
 * @param problems takes what is wrong, a sentence each
 */
record OptimizerRules(List<String> problems) {
    private static final String FIELD = "`spec.training.optimizer.";

    /** Adds what is wrong with a training's. */
    void check(TrainingSpec training) {
        OptimizerSpec optimizer = training.optimizer();
        AdapterSpec adapter = training.adapter();
        prodigyRate(optimizer, "learningRate", optimizer.learningRate());
        prodigyRate(optimizer, "textEncoderLearningRate", optimizer.textEncoderLearningRate());
        type(optimizer);
        if (optimizer.start() >= optimizer.stop()) {
            problems.add(FIELD
                    + "startFraction` must be less than stopFraction, were %s and %s"
                            .formatted(optimizer.start(), optimizer.stop()));
        }
        if (!adapter.textEncoder()) {
            textEncoder("textEncoderLearningRate", optimizer.textEncoderLearningRate());
            textEncoder("textEncoderStopFraction", optimizer.textEncoderStopFraction());
            boolean timed = optimizer.startFraction() != null || optimizer.stopFraction() != null;
            if (timed && !training.tokens().any()) {
                problems.add(FIELD
                        + "startFraction` and `stopFraction` must be unset unless `spec.training.adapter.textEncoder` is true or there are tokens, since nothing else would move, were %s and %s"
                                .formatted(told(optimizer.startFraction()), told(optimizer.stopFraction())));
            }
        }
        boolean apart = optimizer.startFraction() != null
                || optimizer.stopFraction() != null
                || optimizer.textEncoderStopFraction() != null;
        if (apart && adapter.textEncoder() && optimizer.type().findsItsRate()) {
            problems.add(FIELD
                    + "startFraction`, `stopFraction` and `textEncoderStopFraction` must be unset with Prodigy and ProdigyScheduleFree where `spec.training.adapter.textEncoder` is true, since the rate that they find for all would jump, were %s, %s and %s"
                            .formatted(
                                    told(optimizer.startFraction()),
                                    told(optimizer.stopFraction()),
                                    told(optimizer.textEncoderStopFraction())));
        }
        if (optimizer.loraPlusRatio() != null
                && adapter.type() != AdapterType.LoRA
                && adapter.type() != AdapterType.DoRA) {
            problems.add(FIELD
                    + "loraPlusRatio` must be unset unless `spec.training.adapter.type` is LoRA or DoRA, was %s and type %s"
                            .formatted(optimizer.loraPlusRatio(), adapter.type()));
        }
        boolean tokensAlone = training.method() == TrainingMethod.TextualInversion;
        if (training.ema() != null && !tokensAlone && optimizer.type().scheduleFree()) {
            problems.add(
                    "`spec.training.ema` must be unset with ScheduleFreeAdamW and ProdigyScheduleFree, which put out an average of their own, had decay "
                            + training.ema().decay());
        }
        if (adapter.maximumNorm() != null && optimizer.type().scheduleFree()) {
            problems.add(
                    "`spec.training.adapter.maximumNorm` must be unset with ScheduleFreeAdamW and ProdigyScheduleFree, whose average would not keep to it, was "
                            + adapter.maximumNorm());
        }
        ScheduleSpec schedule = optimizer.schedule();
        if (schedule.course() == ScheduleType.Exponential && schedule.lowestFraction() == 0) {
            problems.add(FIELD + "schedule.finalFraction` must be greater than 0 with Exponential, was 0");
        }
        meaningless(schedule, optimizer.type());
        if (schedule.warmupFrom() != null && schedule.warmupSteps() == 0) {
            problems.add(FIELD + "schedule.warmupFrom` must be unset where there are no warmupSteps, was "
                    + schedule.warmupFrom());
        }
    }

    /** What a course has no place for. */
    private void meaningless(ScheduleSpec schedule, OptimizerType type) {
        if (schedule.course() == ScheduleType.Constant && schedule.finalFraction() != null) {
            problems.add(FIELD
                    + "schedule.finalFraction` must be unset with %s, was %s"
                            .formatted(
                                    type.scheduleFree()
                                            ? "ScheduleFreeAdamW and ProdigyScheduleFree, whose rate doesn't fall"
                                            : "Constant, which doesn't fall",
                                    schedule.finalFraction()));
        }
        if (schedule.course() != ScheduleType.CosineRestarts && schedule.cycles() != ScheduleSpec.USUAL_CYCLES) {
            problems.add(FIELD
                    + "schedule.cycles` must be unset or 3, its default, unless type is CosineRestarts, was %d with %s"
                            .formatted(schedule.cycles(), schedule.course()));
        }
        if (schedule.course() != ScheduleType.Polynomial && schedule.power() != ScheduleSpec.USUAL_POWER) {
            problems.add(FIELD
                    + "schedule.power` must be unset or 2, its default, unless type is Polynomial, was %s with %s"
                            .formatted(schedule.power(), schedule.course()));
        }
    }

    /** What a type has no place for. */
    private void type(OptimizerSpec optimizer) {
        OptimizerType type = optimizer.type();
        if (type.scheduleFree() && optimizer.schedule().course() != ScheduleType.Constant) {
            problems.add(FIELD
                    + "schedule.type` must be Constant with ScheduleFreeAdamW and ProdigyScheduleFree, whose average stands in place of a schedule, was "
                    + optimizer.schedule().course());
        }
        Double beta1 = optimizer.beta1();
        if (type.scheduleFree() && beta1 != null && beta1 == 0) {
            problems.add(
                    FIELD
                            + "beta1` must be greater than 0 with ScheduleFreeAdamW and ProdigyScheduleFree, whose average it makes, was 0");
        }
        if (!type.hasBetas() && (beta1 != null || optimizer.beta2() != null)) {
            problems.add(FIELD
                    + "beta1` and `beta2` must be unset with Adafactor, whose decay follows from the steps, were %s and %s"
                            .formatted(told(beta1), told(optimizer.beta2())));
        }
        if (!type.findsItsRate() && optimizer.dCoefficient() != null) {
            problems.add(FIELD
                    + "dCoefficient` must be unset unless type is Prodigy or ProdigyScheduleFree, was %s with %s"
                            .formatted(optimizer.dCoefficient(), type));
        }
        if (type != OptimizerType.Prodigy && optimizer.growthRate() != null) {
            problems.add(FIELD
                    + "growthRate` must be unset unless type is Prodigy, was %s with %s"
                            .formatted(optimizer.growthRate(), type));
        }
    }

    private static String told(@Nullable Double value) {
        return value == null ? "unset" : value.toString();
    }

    private void textEncoder(String field, @Nullable Double value) {
        if (value != null) {
            problems.add(FIELD
                    + "%s` must be unset unless `spec.training.adapter.textEncoder` is true, was %s"
                            .formatted(field, value));
        }
    }

    private void prodigyRate(OptimizerSpec optimizer, String field, @Nullable Double rate) {
        if (optimizer.type().findsItsRate() && rate != null && rate < OptimizerSpec.LEAST_PRODIGY_RATE) {
            problems.add(FIELD
                    + "%s` must be at least %s with Prodigy and ProdigyScheduleFree, which multiply it by the rate that they find, was %s"
                            .formatted(field, OptimizerSpec.LEAST_PRODIGY_RATE, rate));
        }
    }
}
