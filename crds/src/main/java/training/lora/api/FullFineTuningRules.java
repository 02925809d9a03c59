package training.lora.api;

import java.util.List;

/**
 * The CRD's CEL rules of full fine-tuning, with the same sentences.
 *
 * @param problems takes what is wrong, a sentence each
 */
record FullFineTuningRules(List<String> problems) {
    private static final String OTHER_PARTS = "writes the base model's other parts as its files have them";

    private static final String SCHEDULER = "writes the base model's scheduler as its files have it";

    /** Adds what is wrong with a spec. */
    void check(LoraTrainingSpec spec) {
        TrainingSpec training = spec.training();
        if (!training.trainsModel()) {
            if (training.fullFineTuning() != null) {
                must(
                        "fullFineTuning",
                        "be unset unless method is FullFineTuning",
                        "bf16Weights " + training.fullFineTuning().bf16Weights());
            }
            return;
        }
        optimizer(training.optimizer());
        if (training.gradientAccumulation() != 1) {
            must(
                    "gradientAccumulation",
                    "be 1 with FullFineTuning, which keeps no gradients",
                    training.gradientAccumulation());
        }
        if (training.tokens().any()) {
            must("tokens.count", "be 0 with FullFineTuning", training.tokens().count());
        }
        if (training.initFrom() != null) {
            must(
                    "initFrom",
                    "be unset with FullFineTuning, which trains no adapter",
                    Uris.shown(String.valueOf(training.initFrom().uri())));
        }
        if (training.gradientCheckpointing() != null) {
            must(
                    "gradientCheckpointing",
                    "be unset with FullFineTuning, which always computes layers again",
                    training.gradientCheckpointing());
        }
        BaseWeights form = training.baseWeights();
        if (form != null && form != BaseWeights.Full) {
            must("baseWeights", "be unset with FullFineTuning, whose weights are trained", form);
        }
        if (training.offloadFraction() != null) {
            must(
                    "offloadFraction",
                    "be unset with FullFineTuning, whose weights are trained",
                    training.offloadFraction());
        }
        if (training.memoryBudget() != null) {
            must(
                    "memoryBudget",
                    "be unset with FullFineTuning, whose memory is not estimated",
                    training.memoryBudget());
        }
        PreservationSpec preservation = training.loss().preservation();
        if (preservation.outsideMask() > 0 || preservation.emptyPrompt() > 0) {
            must(
                    "loss.preservation",
                    "be unset with FullFineTuning, which keeps no base model to compare with",
                    "outsideMask %s and emptyPrompt %s"
                            .formatted(preservation.outsideMask(), preservation.emptyPrompt()));
        }
        master(training);
        if (spec.baseModel() != null) {
            baseModel(spec.baseModel());
        }
        if (spec.output().forEden()) {
            problems.add(
                    "`spec.output.eden` must be false with FullFineTuning, of which Eden's trainer has no files, was true");
        }
        if (spec.evaluation().earlyStop() != null) {
            problems.add(
                    "`spec.evaluation.earlyStop` must be unset with FullFineTuning, whose checkpoints are measured after the training");
        }
    }

    private void master(TrainingSpec training) {
        FullFineTuningSpec settings = training.fullFineTuning();
        if (settings != null
                && settings.bf16Weights() == Bf16Weights.Fp32Master
                && training.precision() != Precision.BFloat16) {
            must(
                    "fullFineTuning.bf16Weights",
                    "be StochasticRounding unless precision is BFloat16, for other weights are fp32 anyway",
                    settings.bf16Weights());
        }
    }

    private void baseModel(BaseModelSpec base) {
        if (!base.merged().isEmpty()) {
            unset("adapters", OTHER_PARTS, base.merged().size());
        }
        if (base.vae() != null) {
            unset("vae", OTHER_PARTS, Uris.shown(String.valueOf(base.vae().uri())));
        }
        if (base.prediction() != null) {
            unset("prediction", SCHEDULER, base.prediction());
        }
        if (base.zeroTerminalSnr() != null) {
            unset("zeroTerminalSnr", SCHEDULER, base.zeroTerminalSnr());
        }
    }

    private void unset(String field, String why, Object was) {
        problems.add(
                "`spec.baseModel.%s` must be unset with FullFineTuning, which %s, was %s".formatted(field, why, was));
    }

    private void optimizer(OptimizerSpec optimizer) {
        if (optimizer.learningRate() == null) {
            problems.add("`spec.training.optimizer.learningRate` must be given with FullFineTuning; 1e-5 is usual");
        }
        if (optimizer.maxGradientNorm() != null) {
            must(
                    "optimizer.maxGradientNorm",
                    "be unset with FullFineTuning, whose weights move before all gradients are there",
                    optimizer.maxGradientNorm());
        }
        if (!optimizer.type().movesLayerByLayer()) {
            must(
                    "optimizer.type",
                    "be AdamW, AdamW8bit, Adafactor, CAME or Lion with FullFineTuning, which moves a layer at a time",
                    optimizer.type());
        }
        if (optimizer.loraPlusRatio() != null) {
            must(
                    "optimizer.loraPlusRatio",
                    "be unset with FullFineTuning, which trains no adapter",
                    optimizer.loraPlusRatio());
        }
    }

    private void must(String field, String what, Object was) {
        problems.add("`spec.training.%s` must %s, was %s".formatted(field, what, was));
    }
}
