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
        return new ProjectionText(map, form.beside(map, false));
    }

    /** A linear map, number {@code i} of its layer. */
    public static ProjectionText linear(int i, String source, DeltaForm form) {
        return of(new LinearText(i, source), form);
    }

    /** The same, whose result is made {@link #again} on the way back. */
    public static ProjectionText remade(int i, String source, DeltaForm form) {
        FrozenText map = new LinearText(i, source);
        return new ProjectionText(map, form.beside(map, true));
    }

    public boolean adapted() {
        return delta != DeltaText.NONE;
    }

    /** {@code yi} from the source; {@code bias} is a name or empty. */
    public String forward(String bias) {
        return frozen(bias) + delta.forward(bias);
    }

    /** The same in training, where {@link DeltaText#kept} is made. */
    public String record(String bias) {
        return frozen(bias) + delta.record(bias);
    }

    /** {@code yi} again on the way back, from the source and what {@link #record} kept. */
    public String again(String bias) {
        return frozen(bias) + delta.again(bias);
    }

    private String frozen(String bias) {
        return map.forward(delta.addsBias() ? "" : bias);
    }

    /** Adds the gradients of the delta's arrays, given the result's, {@code dy}; must come before those of the source. */
    public String arrayGradients(String dy) {
        return delta.arrayGradients(dy);
    }

    /** Makes the source's gradient {@code ds}. */
    public String sourceGradient(String ds, String dy) {
        String upstream = delta.upstream(dy);
        return map.sourceGradient(ds, upstream) + delta.sourceGradient(ds, upstream);
    }

    /** Adds the source's gradient to {@code ds}. */
    public String addSourceGradient(String ds, String dy) {
        String upstream = delta.upstream(dy);
        return map.addSourceGradient(ds, upstream) + delta.sourceGradient(ds, upstream);
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
