package training.lora.trainer.model.weights;

import ai.djl.Device;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.trainer.tensor.TorchScript;

/** The host's memory from which a card takes a network's weights: pinned, as long as pinned memory can be had. */
final class HostMemory {
    private static final Logger LOG = LoggerFactory.getLogger(HostMemory.class);

    private static final TorchScript PIN = TorchScript.compile("x", "return torch.pin_memory(x)");

    /** DJL's own way ends the process with a type that it doesn't know, such as bf16. */
    private static final TorchScript BRING = TorchScript.compile(
            "x_h, there", "return torch.to(x_h, ops.prim.device(there), ops.prim.dtype(x_h), False, True)");

    private @Nullable NDManager device;
    private @Nullable NDManager manager;
    private boolean pinning;

    /** @param device where weights are needed */
    HostMemory(Device device) {
        this.pinning = device.isGpu();
    }

    /** What owns arrays here, within {@code parent}, which is of the device. */
    NDManager in(NDManager parent) {
        if (manager == null) {
            device = parent;
            manager = parent.newSubManager(Device.cpu());
        }
        return manager;
    }

    /**
     * The same values in pages that the system leaves where they are, which a card reads by itself and faster; {@code values}
     * themselves where none can be had, which is said once.
     *
     * @param values closed if others take their place
     */
    NDArray pinned(NDArray values) {
        if (!pinning) {
            return values;
        }
        try {
            NDArray pinned = PIN.call(values.getManager(), values);
            values.close();
            return pinned;
        } catch (EngineException e) {
            pinning = false;
            LOG.warn(
                    "weights stay in memory that is not pinned, from which copies to the card are slower: {}",
                    String.valueOf(e.getMessage()).strip().replaceFirst("(?s).*\\R", ""));
            return values;
        }
    }

    /** A copy of values where they are needed, which stays as long as those here. */
    NDArray brought(NDArray values) {
        return brought(values, Objects.requireNonNull(device, "the device's manager"));
    }

    /** A copy of values where they are needed, owned by {@code owner}, a manager of that device. */
    NDArray brought(NDArray values, NDManager owner) {
        try (NDArray there = owner.zeros(new Shape())) {
            return BRING.call(owner, values, there);
        }
    }
}
