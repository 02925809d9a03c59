package training.lora.trainer.model.layer.kernel;

import java.util.List;
import java.util.stream.Stream;

/**
 * TorchScript of one projection, forward and backward: a frozen map and the delta that an adapter puts beside it.
 *
 * @param map of the source to the result
 * @param delta what is added to it
 */
public record ProjectionText(FrozenText map, DeltaText delta) {
    public static ProjectionText of(FrozenText map, DeltaForm form) {
        return new ProjectionText(map, form.beside(map));
    }

    /** A linear map, number {@code i} of its layer. */
    public static ProjectionText linear(int i, String source, DeltaForm form) {
        return of(new LinearText(i, source), form);
    }

    public boolean adapted() {
        return delta != DeltaText.NONE;
    }

    /** {@code yi} from the source; {@code bias} is a name or empty. */
    public String forward(String bias) {
        return map.forward(bias) + delta.forward();
    }

    /** The same in training, where {@link DeltaText#kept} is made. */
    public String record(String bias) {
        return map.forward(bias) + delta.record();
    }

    /** {@code yi} again on the way back, from the source and what {@link #record} kept. */
    public String again(String bias) {
        return map.forward(bias) + delta.again();
    }

    /** Adds the gradients of the delta's arrays, given the result's, {@code dy}; must come before those of the source. */
    public String arrayGradients(String dy) {
        return delta.arrayGradients(dy);
    }

    /** Makes the source's gradient {@code ds}. */
    public String sourceGradient(String ds, String dy) {
        return map.sourceGradient(ds, dy) + delta.sourceGradient(ds, dy);
    }

    /** Adds the source's gradient to {@code ds}. */
    public String addSourceGradient(String ds, String dy) {
        return map.addSourceGradient(ds, dy) + delta.sourceGradient(ds, dy);
    }

    /** Names of the arrays that the deltas of {@code all} give to the forward pass. */
    public static List<String> arrays(List<ProjectionText> all) {
        return all.stream().flatMap(p -> p.delta.arrays().stream()).toList();
    }

    /** Names of what they give to the backward pass: each delta's arrays, then what their gradients are added to. */
    public static List<String> arraysAndGradients(List<ProjectionText> all) {
        return all.stream()
                .flatMap(p -> Stream.concat(p.delta.arrays().stream(), p.delta.gradients().stream()))
                .toList();
    }

    /** Names of what they keep of the recorded pass. */
    public static List<String> kept(List<ProjectionText> all) {
        return all.stream().flatMap(p -> p.delta.kept().stream()).toList();
    }
}
