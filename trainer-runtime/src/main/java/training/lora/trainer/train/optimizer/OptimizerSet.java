package training.lora.trainer.train.optimizer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import training.lora.trainer.tensor.Copy;
import training.lora.trainer.tensor.TorchScript;

/**
 * The optimizers of a training, each over an array of its own: one for an adapter, another beside it for what moves by
 * laws of its own, such as embeddings of tokens. Each scales its own gradient, and each Prodigy finds its own d, as two
 * optimizers of prodigyopt would.
 */
public final class OptimizerSet implements AutoCloseable {
    private static final TorchScript NORM =
            TorchScript.compile("a, b", "return torch.sqrt(torch.add(torch.mul(a, a), torch.mul(b, b)))");

    private final List<Member> members = new ArrayList<>();

    private final Map<String, NDArray> beside = new LinkedHashMap<>();

    private record Member(String prefix, Optimizer optimizer, NDArray gradient) {}

    /**
     * Takes one in, which it closes.
     *
     * @param prefix how names of its state begin, "" for the adapter's
     * @param gradient (n), of the optimizer's parameters
     */
    public void add(String prefix, Optimizer optimizer, NDArray gradient) {
        members.add(new Member(prefix, optimizer, gradient));
    }

    /** Takes in an array that the next step depends on as well, so that a state holds it. */
    public void keep(String name, NDArray array) {
        beside.put(name, array);
    }

    /** The tables of all, in their order. */
    public List<ParameterTable> tables() {
        return members.stream().map(member -> member.optimizer().table()).toList();
    }

    /** By number, from 0, of those that find the distance d by which rates are multiplied arrays that begin with it. */
    public Map<Integer, NDArray> found() {
        Map<Integer, NDArray> found = new LinkedHashMap<>();
        for (int i = 0; i < members.size(); i++) {
            NDArray distance = members.get(i).optimizer().found();
            if (distance != null) {
                found.put(i, distance);
            }
        }
        return found;
    }

    /**
     * A step of each.
     *
     * @param rates of each, in their order
     * @return the norm of all their gradients, before they were scaled, a scalar in {@code scope}
     */
    public NDArray step(List<Rates> rates, NDManager scope) {
        NDArray norm = null;
        for (int i = 0; i < members.size(); i++) {
            Member member = members.get(i);
            NDArray own = member.optimizer().step(member.gradient(), rates.get(i), scope);
            norm = norm == null ? own : NORM.call(scope, norm, own);
        }
        if (norm == null) {
            throw new IllegalStateException("a training must have an optimizer");
        }
        return norm;
    }

    /** Takes what a step came to into the averages of those that keep one. */
    public void average(List<Rates> rates, NDManager scope) {
        for (int i = 0; i < members.size(); i++) {
            members.get(i).optimizer().average(rates.get(i), scope);
        }
    }

    /**
     * For each array of parameters what is put out of it, as {@link Optimizer#output}: always the same array, whose numbers
     * are up to date until the next step.
     */
    public Map<NDArray, NDArray> outputs() {
        Map<NDArray, NDArray> outputs = new IdentityHashMap<>();
        members.forEach(member ->
                outputs.put(member.optimizer().parameters, member.optimizer().output()));
        return outputs;
    }

    /** All that the next step depends on but its rates, by name. */
    public Map<String, NDArray> state() {
        Map<String, NDArray> state = new LinkedHashMap<>();
        members.forEach(member ->
                member.optimizer().state().forEach((name, array) -> state.put(member.prefix() + name, array)));
        state.putAll(beside);
        return state;
    }

    /**
     * Puts back what {@link #state} gave.
     *
     * @param from arrays of the same names and shapes
     */
    public void restore(Map<String, NDArray> from) {
        for (Member member : members) {
            Map<String, NDArray> own = new LinkedHashMap<>();
            from.forEach((name, array) -> {
                if (name.startsWith(member.prefix())) {
                    own.put(name.substring(member.prefix().length()), array);
                }
            });
            member.optimizer().restore(own);
        }
        beside.forEach((name, array) -> Copy.into(array, Objects.requireNonNull(from.get(name), name)));
    }

    @Override
    public void close() {
        members.forEach(member -> member.optimizer().close());
    }
}
