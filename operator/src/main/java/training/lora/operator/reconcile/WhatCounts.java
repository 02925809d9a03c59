package training.lora.operator.reconcile;

import io.javaoperatorsdk.operator.processing.event.source.filter.OnUpdateFilter;
import java.util.Objects;
import training.lora.api.LoraTraining;
import training.lora.operator.plan.Review;

/** Which changes of a resource are heeded: of its spec, its deletion, and of what a person says of captions; not its status. */
public final class WhatCounts implements OnUpdateFilter<LoraTraining> {
    @Override
    public boolean accept(LoraTraining now, LoraTraining before) {
        return !Objects.equals(
                        now.getMetadata().getGeneration(), before.getMetadata().getGeneration())
                || (now.isMarkedForDeletion() && !before.isMarkedForDeletion())
                || !Objects.equals(Review.value(now), Review.value(before));
    }
}
