package training.lora.api;

import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The CRD's CEL rules, by which fields depend on each other, with the same sentences.
 *
 * @param problems takes what is wrong, a sentence each
 */
record CrossFieldRules(List<String> problems) {
    /** Adds what is wrong with a spec. */
    void check(LoraTrainingSpec spec) {
        distinct("spec.datasets", spec.datasets().stream().map(DatasetSpec::name));
        if (!spec.datasets().isEmpty() && spec.datasets().stream().noneMatch(d -> d.role() == DatasetRole.Train)) {
            problems.add("`spec.datasets` must have one of role Train");
        }
        for (int i = 0; i < spec.datasets().size(); i++) {
            DatasetSpec d = spec.datasets().get(i);
            if (d.role() == DatasetRole.Validation && (d.repeats() != 1 || d.weight() != 1)) {
                problems.add(
                        "`spec.datasets[%d].repeats` and `weight` must be 1 where role is Validation, were %d and %s"
                                .formatted(i, d.repeats(), d.weight()));
            }
            if (d.role() == DatasetRole.Regularization && d.concept() != null) {
                problems.add("`spec.datasets[%d].concept` must be unset where role is Regularization, had mode %s"
                        .formatted(i, d.concept().mode()));
            }
        }
        classNames(spec.datasets());
        captions("spec.preparation.captions", spec.preparation().captions());
        CleanUp cleanUp = spec.preparation().captions().cleanUp();
        if (cleanUp != CleanUp.None && spec.datasets().stream().allMatch(d -> d.concept() == null)) {
            problems.add(
                    "`spec.preparation.captions.cleanUp` must be None where no data set has a concept, was " + cleanUp);
        }
        evaluation(spec);
        sources(spec);
        distinct("spec.runtime.stages", spec.runtime().stages().stream().map(StageRuntimeSpec::name));
        for (StageRuntimeSpec stage : spec.runtime().stages()) {
            quantities(stage, "requests", stage.resources().requests());
            quantities(stage, "limits", stage.resources().limits());
        }
        BaseModelSpec base = spec.baseModel();
        if (base != null && Boolean.TRUE.equals(base.zeroTerminalSnr()) && base.prediction() == Prediction.Epsilon) {
            problems.add("`spec.baseModel.zeroTerminalSnr` needs prediction V, was Epsilon");
        }
        Integer resolution = spec.preparation().resolution();
        if (resolution != null && resolution % 64 != 0) {
            problems.add("`spec.preparation.resolution` must be a multiple of 64, was " + resolution);
        }
        Integer size = spec.sampling().size();
        if (size != null && size % 64 != 0) {
            problems.add("`spec.sampling.size` must be a multiple of 64, was " + size);
        }
        strength(spec);
        preparation(spec.preparation());
        mask(spec.preparation().mask());
        TrainingSpec training = spec.training();
        int maxTokens = training.captions().maxTokens();
        if (maxTokens != 75 && maxTokens != 150 && maxTokens != 225) {
            problems.add("`spec.training.captions.maxTokens` must be 75, 150 or 225, was " + maxTokens);
        }
        if (training.offloadFraction() != null && training.memoryBudget() != null) {
            problems.add(
                    "`spec.training.memoryBudget` must be unset with offloadFraction, for it is the host's on the CPU and the other is for cards, was "
                            + training.memoryBudget());
        }
        AdapterSpec adapter = training.adapter();
        new AdapterRules(problems).check(adapter, spec.output(), training.method());
        new TokenRules(problems).check(spec);
        length(training);
        new FullFineTuningRules(problems).check(spec);
        new OptimizerRules(problems).check(training);
        new LossRules(problems).check(spec);
    }

    private void strength(LoraTrainingSpec spec) {
        Double strength = spec.sampling().strength();
        TrainingSpec training = spec.training();
        if (strength != null
                && (training.adapter().type() == AdapterType.DoRA || training.method() != TrainingMethod.Adapter)) {
            problems.add(
                    "`spec.sampling.strength` must be unset with DoRA, whose change of a weight is in no proportion to it, and where no adapter is trained, was %s with %s and method %s"
                            .formatted(strength, training.adapter().type(), training.method()));
        }
    }

    private void mask(MaskSpec mask) {
        if (mask.model() != null && !mask.source().modelled()) {
            problems.add("`spec.preparation.mask.model` must be unset where source is " + mask.source() + ", was \""
                    + Uris.shown(mask.model().uri()) + "\"");
        }
        if (!mask.prompts().isEmpty() && mask.source() != MaskSource.Segment) {
            problems.add(
                    "`spec.preparation.mask.prompts` must be unset where source is not Segment, was %s and source %s"
                            .formatted(mask.prompts(), mask.source()));
        }
    }

    /** Adds what is wrong with captions, which {@code field} has. */
    void captions(String field, CaptionsSpec captions) {
        ModelSpec model = captions.model();
        if (model != null && !captions.source().modelled()) {
            problems.add("`%s.model` must be unset where source is %s, was \"%s\""
                    .formatted(field, captions.source(), Uris.shown(model.uri())));
        }
        if (model == null && captions.source().modelled()) {
            problems.add("`%s.model` must be given where source is %s".formatted(field, captions.source()));
        }
        if ((captions.api() != null) != (captions.source() == CaptionSource.OpenAI)) {
            problems.add("`%s.api` must be given where source is OpenAI, and else be unset; source was %s"
                    .formatted(field, captions.source()));
        }
        if (captions.cleanUp() == CleanUp.Model && captions.language() == null) {
            problems.add("`%s.language` must be given where cleanUp is Model".formatted(field));
        }
        if (captions.beams() > 1 && captions.temperature() > 0) {
            problems.add("`%s.beams` must be 1 where words are drawn by chance (temperature %s), was %d"
                    .formatted(field, captions.temperature(), captions.beams()));
        }
    }

    private void evaluation(LoraTrainingSpec spec) {
        EvaluationSpec evaluation = spec.evaluation();
        if (evaluation.earlyStop() != null && !evaluation.enabled()) {
            problems.add("`spec.evaluation.earlyStop` must be unset where `spec.evaluation.enabled` is false");
        }
        String budget = spec.training().memoryBudget();
        if (evaluation.earlyStop() != null && budget != null) {
            problems.add(
                    "`spec.training.memoryBudget` must be unset with `spec.evaluation.earlyStop`, whose models are not estimated, was "
                            + budget);
        }
        AestheticSpec aesthetic = evaluation.aesthetic();
        if (aesthetic != null
                && String.valueOf(aesthetic.uri()).endsWith(".onnx")
                && aesthetic.activation() != AestheticSpec.Activation.None) {
            problems.add(
                    "`spec.evaluation.aesthetic.activation` must be None where uri names an .onnx network, which has its own, was "
                            + aesthetic.activation());
        }
        ScoreWeightsSpec weights = evaluation.weights();
        if (weights == null) {
            return;
        }
        if (weights.aesthetic() > 0 && evaluation.aesthetic() == null) {
            problems.add(
                    "`spec.evaluation.weights.aesthetic` must be 0 where `spec.evaluation.aesthetic` is unset, was "
                            + weights.aesthetic());
        }
        if (weights.general() > 0 && spec.datasets().stream().noneMatch(d -> d.role() == DatasetRole.Validation)) {
            problems.add("`spec.evaluation.weights.general` must be 0 where no data set has the role Validation, was "
                    + weights.general());
        }
        if (weights.faces() > 0 && evaluation.faces() == null) {
            problems.add("`spec.evaluation.weights.faces` must be 0 where `spec.evaluation.faces` is unset, was "
                    + weights.faces());
        }
        if (weights.faces() > 0
                && spec.datasets().stream()
                        .noneMatch(d -> d.concept() != null && d.concept().mode() == ConceptMode.Face)) {
            problems.add("`spec.evaluation.weights.faces` must be 0 where no concept has the mode Face, was "
                    + weights.faces());
        }
        if (!weights.some()) {
            problems.add("`spec.evaluation.weights` must have one above 0");
        }
    }

    private void preparation(PreparationSpec preparation) {
        for (int resolution : preparation.resolutions()) {
            if (resolution < 64 || resolution > 2048 || resolution % 64 != 0) {
                problems.add(
                        "`spec.preparation.resolutions` must be multiples of 64 from 64 to 2048, had " + resolution);
            }
        }
        if (preparation.resolution() != null && !preparation.resolutions().isEmpty()) {
            problems.add("`spec.preparation.resolution` must be unset where there are resolutions, was "
                    + preparation.resolution());
        }
        if (preparation.crop() == CropMode.Salience && preparation.mask().source() == MaskSource.None) {
            problems.add("`spec.preparation.crop` Salience needs a `mask.source` other than None");
        }
        UpscaleSpec upscale = preparation.upscale();
        if (upscale.source() == UpscaleSource.Swin2SR && upscale.model() == null) {
            problems.add("`spec.preparation.upscale.model` must be given where source is Swin2SR");
        }
        if (upscale.source() != UpscaleSource.Swin2SR && upscale.model() != null) {
            problems.add("`spec.preparation.upscale.model` must be unset where source is %s, was \"%s\""
                    .formatted(upscale.source(), Uris.shown(upscale.model().uri())));
        }
        BucketsSpec buckets = preparation.buckets();
        if (preparation.sizing() != Sizing.Buckets
                && (buckets.minimumSide() != null || buckets.maximumSide() != null)) {
            problems.add("`spec.preparation.buckets` must be unset where sizing is not Buckets, was "
                    + preparation.sizing());
        }
        multiple("minimumSide", buckets.minimumSide());
        multiple("maximumSide", buckets.maximumSide());
    }

    private void multiple(String side, @Nullable Integer pixels) {
        if (pixels != null && pixels % 64 != 0) {
            problems.add("`spec.preparation.buckets.%s` must be a multiple of 64, was %d".formatted(side, pixels));
        }
    }

    private void sources(LoraTrainingSpec spec) {
        for (SourceSpec.Named named : SourceSpec.of(spec)) {
            SourceSpec source = named.source();
            if (source.uri() == null) {
                continue;
            }
            if (source.sha256() != null && !Uris.mayBeFile(source.uri())) {
                problems.add("`%s.sha256` must be unset where uri names a folder, prefix or repository, as \"%s\" does"
                        .formatted(named.field(), Uris.shown(source.uri())));
            }
            secret(named.field(), source.secretRef(), Uris.isRemote(source.uri()), "hf://, https:// or s3://");
        }
        OutputSpec output = spec.output();
        boolean bucket = output.uri() != null && output.uri().startsWith("s3://");
        secret("spec.output", output.secretRef(), bucket, "s3://");
    }

    private void secret(String path, @Nullable SecretRef secret, boolean useful, String schemes) {
        if (secret != null && !useful) {
            problems.add("`%s.secretRef` must be unset where uri is not %s, was \"%s\""
                    .formatted(path, schemes, secret.name()));
        }
    }

    /** Data sets of one trigger are one concept, which has one class name. */
    private void classNames(List<DatasetSpec> datasets) {
        Map<String, String> byTrigger = new HashMap<>();
        for (int i = 0; i < datasets.size(); i++) {
            ConceptSpec concept = datasets.get(i).concept();
            if (concept == null || concept.className() == null) {
                continue;
            }
            if (concept.trigger() == null) {
                problems.add("`spec.datasets[%d].concept.className` must be unset where there is no trigger, was \"%s\""
                        .formatted(i, concept.className()));
                continue;
            }
            String other = byTrigger.putIfAbsent(concept.trigger(), concept.className());
            if (other != null && !other.equals(concept.className())) {
                problems.add(
                        "`spec.datasets[%d].concept.className` must be \"%s\" as in another data set of trigger %s, was \"%s\""
                                .formatted(i, other, concept.trigger(), concept.className()));
            }
        }
    }

    /** What epochs come to is known only with the data. */
    private void length(TrainingSpec training) {
        Integer steps = training.steps();
        if (steps == null) {
            return;
        }
        if (training.epochs() != null) {
            problems.add("`spec.training` must have steps or epochs and not both, had steps %d and epochs %d"
                    .formatted(steps, training.epochs()));
            return;
        }
        ScheduleSpec schedule = training.optimizer().schedule();
        // That steps are at least 1 is checked elsewhere.
        if (steps >= 1 && !schedule.rises(steps)) {
            problems.add("`spec.training.optimizer.schedule.warmupSteps` must be %s steps (%d), was %d"
                    .formatted(schedule.warmupFrom() == null ? "less than" : "at most", steps, schedule.warmupSteps()));
        }
    }

    private void distinct(String path, Stream<?> names) {
        Set<Object> seen = new HashSet<>();
        names.filter(name -> name != null && !seen.add(name))
                .forEach(name -> problems.add("`%s` must have distinct names, had \"%s\" twice".formatted(path, name)));
    }

    private void quantities(StageRuntimeSpec stage, String field, Map<String, String> quantities) {
        quantities.forEach((name, quantity) -> {
            if (!quantity.matches(ResourcesSpec.QUANTITY)) {
                problems.add("`spec.runtime.stages[%s].resources.%s.%s` must be a quantity such as 2 or 8Gi, was \"%s\""
                        .formatted(stage.name(), field, name, quantity));
            }
        });
    }
}
