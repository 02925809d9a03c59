package training.lora.trainer.model.weights;

import org.jspecify.annotations.Nullable;

/** How a file keeps a network's weights. */
public interface Layout {
    /** Where the weight is that the network calls {@code name}; null if the file lacks it. */
    @Nullable Stored place(String name);

    /** Which weights there must be, for messages. */
    String description();

    /** Whether the tensor {@code key} must be one of the network's. */
    boolean owns(String key);
}
