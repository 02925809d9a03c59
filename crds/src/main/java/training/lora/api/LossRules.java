package training.lora.api;

import java.util.List;
import java.util.regex.Pattern;

/**
 * The CRD's CEL rules of losses, with the same sentences.
 *
 * @param problems takes what is wrong, a sentence each
 */
record LossRules(List<String> problems) {
    /** Adds what is wrong with what is minimised. */
    void check(LoraTrainingSpec spec) {
        TrainingSpec training = spec.training();
        LossSpec loss = training.loss();
        PreservationSpec preservation = loss.preservation();
        if (loss.weighting() != LossWeighting.MinSnr && loss.minSnrGamma() != LossSpec.USUAL_GAMMA) {
            problems.add(
                    "`spec.training.loss.minSnrGamma` must be unset or 5, its default, unless weighting is MinSnr, was %s with %s"
                            .formatted(loss.minSnrGamma(), loss.weighting()));
        }
        if (preservation.outsideMask() > 0 && spec.preparation().mask().source() == MaskSource.None) {
            problems.add(
                    "`spec.training.loss.preservation.outsideMask` must be 0 where `spec.preparation.mask.source` is None, was "
                            + preservation.outsideMask());
        }
        if (preservation.emptyPrompt() > 0 && training.method() == TrainingMethod.TextualInversion) {
            problems.add(
                    "`spec.training.loss.preservation.emptyPrompt` must be 0 with TextualInversion, for the empty text has no token, was "
                            + preservation.emptyPrompt());
        }
        if ((loss.timesteps() == TimestepDistribution.Uniform || loss.timesteps() == TimestepDistribution.LossHistory)
                && (loss.timestepMean() != null || loss.timestepDeviation() != null)) {
            problems.add(
                    "`spec.training.loss.timestepMean` and `timestepDeviation` must be unset with Uniform timesteps and with LossHistory");
        }
        if (loss.timesteps() == TimestepDistribution.LossHistory
                && training.method() != TrainingMethod.Adapter
                && training.method() != TrainingMethod.TextualInversion) {
            problems.add(
                    "`spec.training.loss.timesteps` must be another than LossHistory unless method is Adapter or TextualInversion, was LossHistory with "
                            + training.method());
        }
        if (loss.timesteps() == TimestepDistribution.LossHistory
                && (preservation.emptyPrompt() > 0
                        || preservation.outsideMask() > 0
                        || preservation.prompts() != null)) {
            problems.add(
                    "`spec.training.loss.preservation` must be unset with LossHistory, whose weights of samples count for the loss alone, had emptyPrompt %s, outsideMask %s and prompts %s"
                            .formatted(
                                    preservation.emptyPrompt(),
                                    preservation.outsideMask(),
                                    preservation.prompts() == null ? "unset" : preservation.prompts()));
        }
        alignment(spec);
        timestepRange(loss);
        prompts(spec, preservation);
        adapterL1(training);
    }

    private void alignment(LoraTrainingSpec spec) {
        PromptAlignmentSpec alignment = spec.training().loss().promptAlignment();
        if (alignment == null) {
            return;
        }
        String prompt = alignment.prompt();
        if (prompt.contains("<")) {
            problems.add(
                    "`spec.training.loss.promptAlignment.prompt` must have no <, but the trigger itself, was \"%s\""
                            .formatted(prompt));
        }
        if (spec.training().method() == TrainingMethod.FullFineTuning) {
            problems.add(
                    "`spec.training.loss.promptAlignment` must be unset with FullFineTuning, which keeps no base model to compare with, had prompt \"%s\""
                            .formatted(prompt));
        }
        if (spec.training().loss().timesteps() == TimestepDistribution.LossHistory) {
            problems.add(
                    "`spec.training.loss.promptAlignment` must be unset with LossHistory, whose weights of samples count for the loss alone, had prompt \"%s\""
                            .formatted(prompt));
        }
        if (spec.trainedTriggers().noneMatch(trigger -> isIn(prompt, trigger))) {
            problems.add("`spec.training.loss.promptAlignment.prompt` must have a trigger that is taught, was \"%s\""
                    .formatted(prompt));
        }
        ClassNames.require(spec, "`spec.training.loss.promptAlignment` is set", problems);
    }

    private void adapterL1(TrainingSpec training) {
        Double weight = training.loss().adapterL1();
        if (weight != null
                && (training.method() != TrainingMethod.Adapter
                        || training.adapter().type() == AdapterType.DoRA)) {
            problems.add(
                    "`spec.training.loss.adapterL1` must be unset unless method is Adapter and adapter.type is another than DoRA, whose magnitudes are no changes, was %s with %s and %s"
                            .formatted(
                                    weight,
                                    training.method(),
                                    training.adapter().type()));
        }
    }

    private void prompts(LoraTrainingSpec spec, PreservationSpec preservation) {
        List<String> prompts = preservation.prompts();
        if (prompts == null) {
            if (preservation.promptWeight() != null) {
                problems.add("`spec.training.loss.preservation.promptWeight` must be unset where prompts is, was "
                        + preservation.promptWeight());
            }
            return;
        }
        if (spec.training().method() != TrainingMethod.Adapter) {
            problems.add(
                    "`spec.training.loss.preservation.prompts` must be unset unless method is Adapter, was %s with %s"
                            .formatted(prompts, spec.training().method()));
        }
        for (String prompt : prompts) {
            String words = prompt.replace(PreservationSpec.CAPTION, " ");
            if (words.contains("<")) {
                problems.add(
                        "`spec.training.loss.preservation.prompts` must have no < but that of <caption>, had \"%s\""
                                .formatted(prompt));
            }
            spec.trainedTriggers()
                    .filter(trigger -> isIn(words, trigger))
                    .forEach(trigger -> problems.add(
                            "`spec.training.loss.preservation.prompts` must not have the trigger %s, which is taught, had \"%s\""
                                    .formatted(trigger, prompt)));
        }
        if (prompts.stream().noneMatch(prompt -> prompt.contains(PreservationSpec.CAPTION))) {
            return;
        }
        ClassNames.require(spec, "`spec.training.loss.preservation.prompts` has <caption>", problems);
    }

    /** Whether {@code trigger} is in {@code prompt}, in upper case or lower, with no letter or digit beside it. */
    private static boolean isIn(String prompt, String trigger) {
        return Pattern.compile(
                        "(?<![\\p{L}\\p{N}\\p{M}])" + Pattern.quote(trigger) + "(?![\\p{L}\\p{N}\\p{M}])",
                        Pattern.CASE_INSENSITIVE | Pattern.UNICODE_CASE)
                .matcher(prompt)
                .find();
    }

    private void timestepRange(LossSpec loss) {
        Integer least = loss.minimumTimestep();
        Integer greatest = loss.maximumTimestep();
        if (least != null && greatest != null && least > greatest) {
            problems.add("`spec.training.loss.minimumTimestep` must be at most maximumTimestep %d, was %d"
                    .formatted(greatest, least));
        }
        if (loss.timesteps() == TimestepDistribution.LogNormalSigma && (least != null || greatest != null)) {
            problems.add(
                    "`spec.training.loss.minimumTimestep` and `maximumTimestep` must be unset with LogNormalSigma, which follows sigmas");
        }
    }
}
