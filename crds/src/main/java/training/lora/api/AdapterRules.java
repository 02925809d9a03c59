package training.lora.api;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The CRD's CEL rules of an adapter, with the same sentences.
 *
 * @param problems takes what is wrong, a sentence each
 */
record AdapterRules(List<String> problems) {
    /** Adds what is wrong with an adapter, and with the forms that it is written in. */
    void check(AdapterSpec adapter, OutputSpec output, TrainingMethod method) {
        if (adapter.type() != AdapterType.LoRA && adapter.dropout() != 0) {
            problems.add(
                    "`spec.training.adapter.dropout` must be 0 with DoRA, LoHa and LoKr, of which trainers mean different things by it, was %s with %s"
                            .formatted(adapter.dropout(), adapter.type()));
        }
        Integer factor = adapter.factor();
        if (factor != null && (adapter.type() != AdapterType.LoKr || factor == 0)) {
            problems.add(
                    "`spec.training.adapter.factor` must be unset unless type is LoKr, and not be 0, was %d with %s"
                            .formatted(factor, adapter.type()));
        }
        if (adapter.type() != AdapterType.LoRA) {
            ofLora("rankDropout", adapter.rankDropout(), adapter.type());
            ofLora("timestepRank", adapter.timestepRank(), adapter.type());
            ofLora("maximumNorm", adapter.maximumNorm(), adapter.type());
        }
        TimestepRankSpec ranks = adapter.timestepRank();
        if (ranks != null && ranks.minimum() > adapter.rank()) {
            problems.add("`spec.training.adapter.timestepRank.minimum` must be at most rank, %d, was %d"
                    .formatted(adapter.rank(), ranks.minimum()));
        }
        if (!adapter.type().ofDiffusers() && output.formats().contains(AdapterFormat.Diffusers)) {
            problems.add(
                    "`spec.output.formats` must be [Kohya] where `spec.training.adapter.type` is LoHa or LoKr, which diffusers' loader doesn't read, was %s with %s"
                            .formatted(output.formats(), adapter.type()));
        }
        baked(adapter, output, method);
        int i = 0;
        for (AdapterOverrideSpec override : adapter.overrides()) {
            if (override.rank() == null && override.alpha() == null && override.learningRateFactor() == null) {
                problems.add("`spec.training.adapter.overrides[%d]` must have a rank, an alpha or a learningRateFactor"
                        .formatted(i));
            }
            i++;
        }
    }

    private void baked(AdapterSpec adapter, OutputSpec output, TrainingMethod method) {
        List<AdapterFormat> formats = output.formats();
        if (!formats.contains(AdapterFormat.A1111Baked)) {
            return;
        }
        if (method != TrainingMethod.Adapter || adapter.type() != AdapterType.DoRA) {
            problems.add(
                    "`spec.output.formats` must be without A1111Baked unless a DoRA is trained, for AUTOMATIC1111 reads the others in the form of Kohya, was %s with %s and method %s"
                            .formatted(formats, adapter.type(), method));
        }
        if (formats.stream().allMatch(f -> f == AdapterFormat.A1111Baked)) {
            problems.add(
                    "`spec.output.formats` must have Kohya or Diffusers beside A1111Baked, which no training goes on from, was "
                            + formats);
        }
    }

    private void ofLora(String field, @Nullable Object value, AdapterType type) {
        if (value != null) {
            problems.add("`spec.training.adapter.%s` must be unset unless type is LoRA, was %s with %s"
                    .formatted(field, value, type));
        }
    }
}
