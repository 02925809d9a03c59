package training.lora.trainer.export;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.adapter.AdapterKind;
import training.lora.trainer.adapter.AdapterPart;
import training.lora.trainer.adapter.Dora;
import training.lora.trainer.adapter.FullDifference;
import training.lora.trainer.adapter.Loha;
import training.lora.trainer.adapter.Lokr;
import training.lora.trainer.adapter.Lora;
import training.lora.trainer.adapter.ModuleForm;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.SafeTensors;
import training.lora.trainer.tensor.TorchScript;

/**
 * The tensors of one module in an adapter's file. LyCORIS' Tucker form of a convolution, a core (r, r, k, k) between two
 * factors of single pixels, is read as the same without a core: what stands to its right is multiplied into it.
 *
 * @param names of the tensors
 */
record FileModule(SafeTensors file, Map<AdapterPart, String> names) {
    /**
     * A core between two factors.
     *
     * @param left the factor of outputs, which LoHa and LoKr have transposed beside a core
     * @param transposed whether they do
     * @param right the factor of inputs (r, in), which becomes (r, in k k), or with a kernel's dimensions as A of a LoRA
     */
    private record Core(AdapterPart core, AdapterPart left, boolean transposed, AdapterPart right) {}

    private static final List<Core> CORES = List.of(
            new Core(AdapterPart.Mid, AdapterPart.Up, false, AdapterPart.Down),
            new Core(AdapterPart.HadaT1, AdapterPart.HadaW1A, true, AdapterPart.HadaW1B),
            new Core(AdapterPart.HadaT2, AdapterPart.HadaW2A, true, AdapterPart.HadaW2B),
            new Core(AdapterPart.LokrT2, AdapterPart.LokrW2A, true, AdapterPart.LokrW2B));

    /** t (r, r, k, k), b (r, in): sum over j of t[i, j] b[j], as (r, in k k). */
    private static final TorchScript FOLD = TorchScript.compile("t, b", """
            r = torch.reshape(b, [torch.size(b, 0), -1])
            c = torch.reshape(torch.permute(t, [0, 2, 3, 1]), [-1, torch.size(t, 1)])
            p = torch.reshape(torch.mm(c, r), [torch.size(t, 0), -1, torch.size(r, 1)])
            return torch.reshape(torch.permute(p, [0, 2, 1]), [torch.size(t, 0), -1])
            """);

    /** What is wrong where a module lacks a tensor; null where it has all of some kind. */
    static @Nullable String incomplete(Map<AdapterPart, String> names) {
        boolean lora = names.containsKey(AdapterPart.Down) && names.containsKey(AdapterPart.Up);
        boolean loha =
                List.of(AdapterPart.HadaW1A, AdapterPart.HadaW1B, AdapterPart.HadaW2A, AdapterPart.HadaW2B).stream()
                        .allMatch(names::containsKey);
        boolean lokr = matrix(names, AdapterPart.LokrW1, AdapterPart.LokrW1A, AdapterPart.LokrW1B)
                && matrix(names, AdapterPart.LokrW2, AdapterPart.LokrW2A, AdapterPart.LokrW2B);
        boolean whole = names.containsKey(AdapterPart.Diff);
        int kinds = (lora ? 1 : 0) + (loha ? 1 : 0) + (lokr ? 1 : 0) + (whole ? 1 : 0);
        String first = names.values().iterator().next();
        if (kinds == 0) {
            return first + " without its other factor";
        }
        if (kinds > 1) {
            return first + " beside factors of another kind of adapter";
        }
        for (Map.Entry<AdapterPart, String> e : names.entrySet()) {
            boolean known =
                    switch (e.getKey()) {
                        case Alpha -> !whole;
                        case Down, Up, Magnitude, Mid -> lora;
                        case HadaW1A, HadaW1B, HadaW2A, HadaW2B, HadaT1, HadaT2 -> loha;
                        case LokrW1, LokrW1A, LokrW1B, LokrW2, LokrW2A, LokrW2B, LokrT2 -> lokr;
                        case Diff -> whole;
                    };
            if (!known) {
                return e.getValue() + ", which no "
                        + (lora ? "LoRA" : loha ? "LoHa" : lokr ? "LoKr" : "full difference of weights") + " has";
            }
        }
        return null;
    }

    private static boolean matrix(
            Map<AdapterPart, String> names, AdapterPart whole, AdapterPart left, AdapterPart right) {
        return names.containsKey(whole)
                ? !names.containsKey(left) && !names.containsKey(right)
                : names.containsKey(left) && names.containsKey(right);
    }

    /** Whether values of {@code names} have to be computed from others. */
    static boolean folds(Map<AdapterPart, String> names) {
        return CORES.stream().anyMatch(c -> names.containsKey(c.core()));
    }

    /**
     * What it is. Every reader divides an alpha among the tensors by the rank, whatever else the file says.
     *
     * @throws IllegalArgumentException if its tensors don't belong together
     */
    ModuleForm form(Component component, String path, PeftConfig config) {
        Map<AdapterPart, Shape> all = new EnumMap<>(AdapterPart.class);
        names.keySet().stream()
                .filter(part -> part != AdapterPart.Alpha && CORES.stream().noneMatch(c -> c.core() == part))
                .forEach(part -> all.put(part, shape(part)));
        AdapterKind kind = kind(component, path, config, all);
        Map<AdapterPart, Shape> shapes = new EnumMap<>(AdapterPart.class);
        kind.parts().forEach(part -> shapes.put(part, Objects.requireNonNull(all.get(part), part::name)));
        return new ModuleForm(component, path, kind, shapes);
    }

    private AdapterKind kind(Component component, String path, PeftConfig config, Map<AdapterPart, Shape> shapes) {
        String named = names.get(AdapterPart.Alpha);
        Double alpha = named == null ? null : alpha(named);
        if (names.containsKey(AdapterPart.Diff)) {
            return new FullDifference();
        }
        if (names.containsKey(AdapterPart.HadaW1A)) {
            Shape right = Objects.requireNonNull(shapes.get(AdapterPart.HadaW1B));
            int rank = right.dimension() == 0 ? 0 : (int) right.get(0);
            return new Loha(rank, alpha == null ? rank : alpha, false);
        }
        if (!names.containsKey(AdapterPart.Down)) {
            return Lokr.of(shapes, alpha);
        }
        Shape down = Objects.requireNonNull(shapes.get(AdapterPart.Down));
        int rank = down.dimension() == 0 ? 0 : (int) down.get(0);
        Lora product = alpha != null
                ? new Lora(rank, alpha, false)
                : new Lora(rank, config.alpha(component, path, rank), config.rankStabilized(component));
        String magnitude = names.get(AdapterPart.Magnitude);
        return magnitude == null ? product : new Dora(product, DoraNorms.of(file, magnitude));
    }

    private double alpha(String tensor) {
        double value = file.number(tensor);
        if (!Double.isFinite(value)) {
            throw new IllegalArgumentException("%s must be a number, was %s".formatted(tensor, value));
        }
        return value;
    }

    private Shape stored(AdapterPart part) {
        return new Shape(file.entry(name(part)).shape());
    }

    private String name(AdapterPart part) {
        return Objects.requireNonNull(names.get(part), part::name);
    }

    private @Nullable Core core(AdapterPart beside) {
        return CORES.stream()
                .filter(c -> names.containsKey(c.core()) && (c.left() == beside || c.right() == beside))
                .findFirst()
                .orElse(null);
    }

    /**
     * That of the file, without a core; a magnitude is a row of outputs, whatever dimensions of 1 its form has beside, and a
     * factor of LoHa and LoKr has two.
     */
    private Shape shape(AdapterPart part) {
        Shape shape = stored(part);
        Core core = core(part);
        if (core != null) {
            return folded(core, part, shape);
        }
        return switch (part) {
            case Magnitude -> DoraNorms.outputs(name(part), shape);
            case LokrW2B, HadaW1B, HadaW2B ->
                shape.dimension() > 2 ? new Shape(shape.get(0), shape.size() / shape.get(0)) : shape;
            default -> shape;
        };
    }

    private Shape folded(Core core, AdapterPart part, Shape shape) {
        Shape t = stored(core.core());
        Shape right = stored(core.right());
        if (t.dimension() != 4
                || right.dimension() < 2
                || t.get(1) != right.get(0)
                || right.size() != right.get(0) * right.get(1)
                || shape.dimension() < 2) {
            throw new IllegalArgumentException(
                    "%s must be a core (rank, rank, k, k) between factors of its ranks, was %s beside %s"
                            .formatted(name(core.core()), t, right));
        }
        if (part == core.left()) {
            return core.transposed() ? new Shape(shape.get(1), shape.get(0)) : shape;
        }
        return part == AdapterPart.Down
                ? new Shape(t.get(0), right.get(1), t.get(2), t.get(3))
                : new Shape(t.get(0), right.get(1) * t.get(2) * t.get(3));
    }

    /**
     * A part's values, read when they are asked for.
     *
     * @param checked takes a tensor's name and values and gives the values
     */
    LazyTensor tensor(AdapterPart part, BiFunction<String, NDArray, NDArray> checked) {
        Shape shape = shape(part);
        Core core = core(part);
        return new LazyTensor(shape, DataType.FLOAT32, scope -> {
            NDArray own = read(part, checked, scope);
            if (core == null) {
                return own.reshape(shape);
            }
            if (part == core.right()) {
                return FOLD.call(scope, read(core.core(), checked, scope), own).reshape(shape);
            }
            // A view would tell a reader of its memory another order.
            return core.transposed() ? own.transpose().mul(1) : own.reshape(shape);
        });
    }

    private NDArray read(AdapterPart part, BiFunction<String, NDArray, NDArray> checked, NDManager scope) {
        return checked.apply(name(part), file.read(name(part), scope));
    }
}
