package training.lora.trainer.export;

import ai.djl.ndarray.types.Shape;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import training.lora.api.AdapterFormat;
import training.lora.trainer.adapter.AdapterPart;
import training.lora.trainer.adapter.Dora;
import training.lora.trainer.adapter.ModuleForm;
import training.lora.trainer.tensor.SafeTensors;

/**
 * What readers of DoRA's files divide by on the output axis: ComfyUI, which alone reads kohya's form so, by the norm of the
 * frozen weight, everybody else by that of the adapted one. So kohya's form is written for ComfyUI, and its metadata say so.
 */
final class DoraNorms {
    private static final String KEY = "dora_scale_norm";

    private static final String FROZEN = "frozen";

    private DoraNorms() {}

    /** What the readers of a form that has magnitudes divide by. */
    static Dora.Norm of(AdapterFormat format) {
        return switch (format) {
            case Kohya -> Dora.Norm.Frozen;
            case Diffusers -> Dora.Norm.Adapted;
            case A1111Baked -> throw new IllegalArgumentException("a full difference has no magnitudes");
        };
    }

    /** What the tensor {@code magnitude} of a file is a multiple of. */
    static Dora.Norm of(SafeTensors file, String magnitude) {
        return magnitude.endsWith(AdapterPart.Magnitude.kohya())
                        && FROZEN.equals(file.metadata().get(KEY))
                ? Dora.Norm.Frozen
                : Dora.Norm.Adapted;
    }

    /** Adds what a file of {@code modules} says of its magnitudes. */
    static void describe(Map<String, String> metadata, List<ModuleForm> modules) {
        metadata.remove(KEY);
        if (modules.stream().anyMatch(m -> m.kind() instanceof Dora dora && dora.norm() == Dora.Norm.Frozen)) {
            metadata.put(KEY, FROZEN);
        }
    }

    /**
     * (out) of a magnitude's shape; the shape itself where it is no number of each output: LyCORIS has (1, in) and (1, in, 1,
     * 1) where it normalizes inputs, PEFT (1, out, 1, 1) beside a convolution.
     */
    static Shape outputs(String tensor, Shape stored) {
        int axis = !tensor.endsWith(AdapterPart.Magnitude.kohya()) && stored.dimension() == 4 ? 1 : 0;
        return stored.dimension() > 0 && stored.get(axis) == stored.size() ? new Shape(stored.size()) : stored;
    }

    /** The magnitude's shape in a file of {@code format}. */
    static Shape stored(AdapterFormat format, ModuleForm module) {
        long out = module.shape(AdapterPart.Up).get(0);
        int dimensions = module.shape(AdapterPart.Up).dimension();
        return switch (format) {
            case Kohya -> {
                long[] shape = new long[dimensions];
                Arrays.fill(shape, 1);
                shape[0] = out;
                yield new Shape(shape);
            }
            case Diffusers -> dimensions == 4 ? new Shape(1, out, 1, 1) : new Shape(out);
            case A1111Baked -> throw new IllegalArgumentException("a full difference has no magnitudes");
        };
    }
}
