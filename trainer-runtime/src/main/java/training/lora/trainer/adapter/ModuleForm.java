package training.lora.trainer.adapter;

import ai.djl.ndarray.types.Shape;
import java.util.Map;
import java.util.Objects;
import training.lora.trainer.model.layer.Component;

/**
 * An adapted module without its values.
 *
 * @param component the part of the model it is in
 * @param path module path in diffusers' names, within the component
 * @param kind what stands beside it
 * @param shapes of the kind's parts, as files have them
 */
public record ModuleForm(Component component, String path, AdapterKind kind, Map<AdapterPart, Shape> shapes) {
    public ModuleForm {
        kind.check(path, shapes);
        shapes = Map.copyOf(shapes);
    }

    /** The shape of a part that the kind has. */
    public Shape shape(AdapterPart part) {
        return Objects.requireNonNull(shapes.get(part), part::name);
    }

    /** Its rank. */
    public int rank() {
        return kind.rank();
    }

    /** What its product is multiplied by. */
    public double scale() {
        return kind.scale();
    }

    /** Whether its factors show that it stands beside a convolution that sees more than a pixel. */
    public boolean convolution() {
        return shapes.values().stream().anyMatch(shape -> shape.dimension() == 4 && shape.get(3) > 1);
    }

    /** Features that it maps from, or channels times the kernel's area. */
    public long fanIn() {
        return kind.fanIn(shapes);
    }

    /** Features or channels that it maps to. */
    public long out() {
        return kind.out(shapes);
    }

    /** Numbers in all parts. */
    public long size() {
        return kind.parts().stream().mapToLong(part -> shape(part).size()).sum();
    }
}
