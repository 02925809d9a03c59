package training.lora.operator.reconcile;

import io.javaoperatorsdk.operator.processing.event.ResourceID;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTraining;

/**
 * The resources as this operator last wrote them, until the informer has heard of it: spares reads, and nothing is wrong
 * if one is missing here.
 */
final class OwnWrites {
    /** The informer is behind by less than this many writes. */
    private static final int MOST = 500;

    private final Map<ResourceID, LoraTraining> written = new LinkedHashMap<>() {
        private static final long serialVersionUID = 1;

        @Override
        protected boolean removeEldestEntry(Map.Entry<ResourceID, LoraTraining> eldest) {
            return size() > MOST;
        }
    };

    synchronized void put(LoraTraining resource) {
        written.put(ResourceID.fromResource(resource), resource);
    }

    /** The later one of what the informer knows and what was written here. */
    synchronized @Nullable LoraTraining newest(ResourceID id, @Nullable LoraTraining heard) {
        LoraTraining own = written.get(id);
        if (own == null) {
            return heard;
        }
        boolean same = heard != null
                && heard.getMetadata().getUid().equals(own.getMetadata().getUid());
        if (same && version(own) > version(heard)) {
            return own;
        }
        written.remove(id);
        return heard;
    }

    /** API servers count resource versions upwards; one that can't be compared counts as the oldest. */
    private static long version(@Nullable LoraTraining resource) {
        try {
            return resource == null ? -1 : Long.parseLong(resource.getMetadata().getResourceVersion());
        } catch (NumberFormatException e) {
            return -1;
        }
    }
}
