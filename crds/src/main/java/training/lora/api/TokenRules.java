package training.lora.api;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * The CRD's CEL rules of tokens, with the same sentences.
 *
 * @param problems takes what is wrong, a sentence each
 */
record TokenRules(List<String> problems) {
    private static final int LONGEST_BYTES = 200;

    /** What the name of a file or of a tensor in it can't have, or a prompt of ComfyUI that calls it. */
    private static final Pattern UNFIT = Pattern.compile("[\\s./\\\\:*?\"|]");

    /** Adds what is wrong with tokens, and with what they are trained on and written in. */
    void check(LoraTrainingSpec spec) {
        TrainingSpec training = spec.training();
        TokensSpec tokens = training.tokens();
        if (training.method() == TrainingMethod.TextualInversion) {
            if (!tokens.any()) {
                problems.add("`spec.training.tokens.count` must be at least 1 with TextualInversion, was 0");
            }
            if (training.adapter().textEncoder()) {
                problems.add(
                        "`spec.training.adapter.textEncoder` must be false with TextualInversion, which trains no adapter, was true");
            }
            if (training.initFrom() != null) {
                problems.add("`spec.training.initFrom` must be unset with TextualInversion, which trains no adapter");
            }
        }
        if (!tokens.any()) {
            if (!tokens.equals(Defaults.of(TokensSpec.class))) {
                problems.add(
                        "`spec.training.tokens.count` must be at least 1 where anything else of tokens is set, was 0");
            }
            return;
        }
        settings(training);
        if (tokens.descriptionSteps() != null
                && spec.datasets().stream()
                        .noneMatch(d -> d.role() == DatasetRole.Train
                                && d.concept() != null
                                && d.concept().description() != null)) {
            problems.add(
                    "`spec.training.tokens.descriptionSteps` must be unset where no data set of role Train has a concept.description, was "
                            + tokens.descriptionSteps());
        }
        around(spec);
        if (tokens.locksKeys()) {
            ClassNames.require(spec, "`spec.training.tokens.keyLock` is true, for keys are locked to it", problems);
        }
    }

    private void keyLock(TrainingSpec training) {
        if (!training.tokens().locksKeys()) {
            return;
        }
        if (training.tokens().count() != 1) {
            problems.add("`spec.training.tokens.count` must be 1 where keyLock is true, was "
                    + training.tokens().count());
        }
        AdapterSpec adapter = training.adapter();
        if (training.method() != TrainingMethod.Adapter || adapter.type() != AdapterType.LoRA) {
            problems.add(
                    "`spec.training.tokens.keyLock` must be unset unless method is Adapter and adapter.type is LoRA, was true with %s and %s"
                            .formatted(training.method(), adapter.type()));
        }
        if (adapter.dropout() > 0
                || adapter.rankDropout() != null
                || adapter.moduleDropout() != null
                || adapter.timestepRank() != null) {
            problems.add(
                    "`spec.training.tokens.keyLock` must be unset where adapter has a dropout, rankDropout, moduleDropout or timestepRank, which would leave the lock out, was true");
        }
        if (adapter.maximumNorm() != null || training.loss().adapterL1() != null) {
            problems.add(
                    "`spec.training.tokens.keyLock` must be unset where adapter.maximumNorm or loss.adapterL1 is set, which would count the lock among what is trained, was true");
        }
        if (training.ema() != null
                || training.optimizer().type() == OptimizerType.ScheduleFreeAdamW
                || training.optimizer().type() == OptimizerType.ProdigyScheduleFree) {
            problems.add(
                    "`spec.training.tokens.keyLock` must be unset with ema, ScheduleFreeAdamW and ProdigyScheduleFree, whose averages are of other tokens than the lock, was true");
        }
        if (training.initFrom() != null) {
            problems.add(
                    "`spec.training.tokens.keyLock` must be unset where initFrom is set, whose keys it would replace, was true");
        }
    }

    private void settings(TrainingSpec training) {
        TokensSpec tokens = training.tokens();
        Integer steps = training.steps();
        basis(tokens);
        keyLock(training);
        if (tokens.optimizer() != OptimizerType.AdamW && tokens.optimizer() != OptimizerType.Prodigy) {
            problems.add("`spec.training.tokens.optimizer` must be AdamW or Prodigy, was " + tokens.optimizer());
        }
        if (tokens.optimizer() == OptimizerType.Prodigy
                && tokens.highestLearningRate() < OptimizerSpec.LEAST_PRODIGY_RATE) {
            problems.add(
                    "`spec.training.tokens.learningRate` must be at least 0.1 with Prodigy, which multiplies it by the rate that it finds, was "
                            + tokens.learningRate());
        }
        if (tokens.covarianceWeight() > 0 && tokens.count() < 2) {
            problems.add("`spec.training.tokens.covarianceWeight` must be 0 where count is below 2, was "
                    + tokens.covarianceWeight());
        }
        if (tokens.promptNorm() != null && tokens.promptNormWeight() == null && tokens.triggerNormWeight() == null) {
            problems.add(
                    "`spec.training.tokens.promptNorm` must be unset where neither promptNormWeight nor triggerNormWeight is set, was "
                            + tokens.promptNorm());
        }
        int maxTokens = training.captions().maxTokens();
        if (tokens.attentionWeight() != null && maxTokens != 75) {
            problems.add(
                    "`spec.training.captions.maxTokens` must be 75 where `spec.training.tokens.attentionWeight` is set, was "
                            + maxTokens);
        }
        if (steps != null && tokens.warmupSteps() > 0 && tokens.warmupSteps() >= steps) {
            problems.add("`spec.training.tokens.warmupSteps` must be less than steps, %d, was %d"
                    .formatted(steps, tokens.warmupSteps()));
        }
    }

    private void basis(TokensSpec tokens) {
        TokenBasisSpec basis = tokens.basis();
        if (basis == null) {
            return;
        }
        if (tokens.initializer() != null) {
            problems.add("`spec.training.tokens.initializer` must be unset where basis is set, was \"%s\""
                    .formatted(tokens.initializer()));
        }
        if (basis.components() != null && basis.components() >= basis.names().size()) {
            problems.add("`spec.training.tokens.basis.components` must be less than the number of names, %d, was %d"
                    .formatted(basis.names().size(), basis.components()));
        }
    }

    /** Triggers are found whatever their case, and name files, which may be of at most 255 bytes with their ending. */
    private void triggers(List<DatasetSpec> datasets) {
        Map<String, String> byLowerCase = new HashMap<>();
        for (int i = 0; i < datasets.size(); i++) {
            DatasetSpec dataset = datasets.get(i);
            String trigger =
                    dataset.concept() == null ? null : dataset.concept().trigger();
            if (trigger == null) {
                continue;
            }
            if (trigger.getBytes(StandardCharsets.UTF_8).length > LONGEST_BYTES) {
                problems.add(
                        "`spec.datasets[%d].concept.trigger` must be of at most %d bytes where `spec.training.tokens` are trained, for it names their file, was \"%s\""
                                .formatted(i, LONGEST_BYTES, trigger));
            }
            String other = byLowerCase.putIfAbsent(trigger.toLowerCase(Locale.ROOT), trigger);
            if (other != null && !other.equals(trigger)) {
                problems.add(
                        "`spec.datasets[%d].concept.trigger` must differ in more than upper and lower case where `spec.training.tokens` are trained, was \"%s\" and \"%s\""
                                .formatted(i, other, trigger));
            }
        }
    }

    private void around(LoraTrainingSpec spec) {
        triggers(spec.datasets());
        if (!spec.output().formats().contains(AdapterFormat.Kohya)) {
            problems.add(
                    "`spec.output.formats` must have Kohya where `spec.training.tokens` are trained, for that file holds them, was "
                            + spec.output().formats());
        }
        int i = 0;
        for (DatasetSpec dataset : spec.datasets()) {
            ConceptSpec concept = dataset.concept();
            if (dataset.role() == DatasetRole.Train && (concept == null || concept.trigger() == null)) {
                problems.add(
                        "`spec.datasets[%d].concept` must have a trigger, in whose place `spec.training.tokens` are trained, but has none"
                                .formatted(i));
            }
            String trigger = concept == null ? null : concept.trigger();
            if (trigger != null && UNFIT.matcher(trigger).find()) {
                problems.add(
                        "`spec.datasets[%d].concept.trigger` must have no spaces and none of . / \\ : * ? \" | where `spec.training.tokens` are trained, for it names their file, was \"%s\""
                                .formatted(i, trigger));
            }
            i++;
        }
    }
}
