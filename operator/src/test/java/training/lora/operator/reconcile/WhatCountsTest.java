package training.lora.operator.reconcile;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import java.util.Map;
import org.junit.jupiter.api.Test;
import training.lora.api.LoraTraining;

class WhatCountsTest {
    private static LoraTraining training(long generation, Map<String, String> annotations) {
        LoraTraining training = new LoraTraining();
        training.setMetadata(new ObjectMetaBuilder()
                .withGeneration(generation)
                .withAnnotations(annotations)
                .build());
        return training;
    }

    private static Map<String, String> reviewed(String value) {
        return Map.of("lora.training/captions-reviewed", value);
    }

    @Test
    void specDeletionAndAReviewCountAndNothingElse() {
        LoraTraining before = training(1, Map.of());
        LoraTraining deleted = training(1, Map.of());
        deleted.getMetadata().setDeletionTimestamp("2026-01-01T00:00:00Z");
        WhatCounts counts = new WhatCounts();

        assertThat(counts.accept(training(2, Map.of()), before)).isTrue();
        assertThat(counts.accept(deleted, before)).isTrue();
        assertThat(counts.accept(training(1, reviewed("true")), before)).isTrue();
        assertThat(counts.accept(training(1, reviewed("again")), training(1, reviewed("true"))))
                .isTrue();
        assertThat(counts.accept(before, training(1, reviewed("true")))).isTrue();

        // Its status was written, or somebody noted something.
        assertThat(counts.accept(training(1, Map.of("other", "x")), before)).isFalse();
        assertThat(counts.accept(training(1, reviewed("false")), before)).isFalse();
        assertThat(counts.accept(deleted, deleted)).isFalse();
    }
}
