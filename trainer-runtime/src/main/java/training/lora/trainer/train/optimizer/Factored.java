package training.lora.trainer.train.optimizer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToLongFunction;
import training.lora.api.OptimizerSpec;
import training.lora.api.OptimizerType;
import training.lora.trainer.tensor.Template;
import training.lora.trainer.tensor.TorchScript;

/**
 * Adafactor (Shazeer and Stern 2018) at a given rate, as transformers has it without {@code scale_parameter} and
 * {@code relative_step}, and CAME (Luo et al. 2023), as came-pytorch has it. Of squares of gradients they keep means of rows
 * and columns, the last two axes of a tensor, where it has two; CAME also keeps a first moment, whole, and means of how far
 * steps lie from it, by which it trusts it less.
 */
final class Factored extends Optimizer {
    /** What is added to squares of gradients. */
    private static final double GRADIENT_EPSILON = 1e-30;

    /** What CAME adds to squares of distances. */
    private static final double DISTANCE_EPSILON = 1e-16;

    /** Decay of the means of distances. */
    private static final double BETA3 = 0.9999;

    /** How Adafactor's decay comes near to 1 with the steps. */
    private static final double DECAY_POWER = -0.8;

    /** Numbers of a step before those of groups: the greatest norm. */
    private static final int SHARED = 1;

    /** Numbers of a step that each group has: b2, 1 - b2, what its parameters decay to, and its rate. */
    private static final int OWN = 4;

    /**
     * p: parameters, g: gradient (n); r and t: means of rows and columns of tensors of two axes; v: second moments of the
     * others; m: first moment, rr and tt: means of distances' rows and columns, of CAME alone. Lists tell for each tensor
     * where it lies in these, its axes (a, b, c), and where its group's numbers begin. {step} makes of u, the gradient over
     * the root of its second moment, clipped to a mean square of 1, what the parameters move by.
     */
    private static final String MOVE = """
            {lists}
            for i in range({matrices}):
             q = groups[i]
             a = outers[i]
             b = bs[i]
             d = ds[i]
             gi = torch.reshape(torch.slice(g, 0, begins[i], ends[i]), [a, b, d])
             pi = torch.reshape(torch.slice(p, 0, begins[i], ends[i]), [a, b, d])
             ri = torch.reshape(torch.slice(r, 0, rows[i], rowEnds[i]), [a, b, 1])
             ti = torch.reshape(torch.slice(t, 0, columns[i], columnEnds[i]), [a, 1, d])
             w = torch.add_(torch.mul(gi, gi), {gradientEpsilon})
             _0 = torch.add_(torch.mul_(ri, k[q]), torch.mul(torch.mean(w, [2], True), k[torch.add(q, 1)]))
             _1 = torch.add_(torch.mul_(ti, k[q]), torch.mul(torch.mean(w, [1], True), k[torch.add(q, 1)]))
             u = torch.mul(torch.rsqrt(torch.div(ri, torch.mean(ri, [1], True))), torch.rsqrt(ti))
             _2 = torch.mul_(u, gi)
             _3 = torch.div_(u, torch.clamp_min(torch.sqrt(torch.mean(torch.mul(u, u))), 1.))
             {matrix}
             _4 = torch.mul_(pi, k[torch.add(q, 2)])
             _5 = torch.sub_(pi, torch.mul_(u, k[torch.add(q, 3)]))
            for i in range({vectors}):
             q = vectorGroups[i]
             gi = torch.slice(g, 0, vectorBegins[i], vectorEnds[i])
             pi = torch.slice(p, 0, vectorBegins[i], vectorEnds[i])
             vi = torch.mul_(torch.slice(v, 0, seconds[i], secondEnds[i]), k[q])
             w = torch.mul(torch.add_(torch.mul(gi, gi), {gradientEpsilon}), k[torch.add(q, 1)])
             u = torch.mul(torch.rsqrt(torch.add_(vi, w)), gi)
             _6 = torch.div_(u, torch.clamp_min(torch.sqrt(torch.mean(torch.mul(u, u))), 1.))
             {vector}
             _7 = torch.mul_(pi, k[torch.add(q, 2)])
             _8 = torch.sub_(pi, torch.mul_(u, k[torch.add(q, 3)]))
            _9 = torch.zero_(g)
            return n
            """;

    /** CAME's step of a tensor of two axes or more. */
    private static final String CONFIDENT = """
            mi = torch.reshape(torch.slice(m, 0, begins[i], ends[i]), [a, b, d])
             _10 = torch.add_(torch.mul_(mi, {beta1}), torch.mul(u, {rest1}))
             f = torch.sub(u, mi)
             s = torch.add_(torch.mul_(f, f), {distanceEpsilon})
             rri = torch.reshape(torch.slice(rr, 0, rows[i], rowEnds[i]), [a, b, 1])
             tti = torch.reshape(torch.slice(tt, 0, columns[i], columnEnds[i]), [a, 1, d])
             _11 = torch.add_(torch.mul_(rri, {beta3}), torch.mul(torch.mean(s, [2], True), {rest3}))
             _12 = torch.add_(torch.mul_(tti, {beta3}), torch.mul(torch.mean(s, [1], True), {rest3}))
             o = torch.mul(torch.rsqrt(torch.div(rri, torch.mean(rri, [1], True))), torch.rsqrt(tti))
             u = torch.mul_(o, mi)""";

    /** CAME's step of a tensor of one axis. */
    private static final String MOMENT = """
            mi = torch.slice(m, 0, vectorBegins[i], vectorEnds[i])
             _10 = torch.add_(torch.mul_(mi, {beta1}), torch.mul(u, {rest1}))
             u = torch.clone(mi)""";

    private final OptimizerSpec settings;
    private final boolean confident;
    private final NDArray[] states;

    /**
     * A tensor with its places in what is kept.
     *
     * @param row where its means of rows begin, or its second moments if it has one axis
     */
    private record Place(ParameterTensor tensor, long row, long column) {
        boolean matrix() {
            return tensor.shape().dimension() > 1;
        }

        long axis(int fromEnd) {
            return tensor.shape().get(tensor.shape().dimension() - fromEnd);
        }

        /** All axes before the last two. */
        long outer() {
            return tensor.shape().size() / (axis(1) * axis(2));
        }

        long rowEnd() {
            return row + tensor.shape().size() / (matrix() ? axis(1) : 1);
        }

        long columnEnd() {
            return matrix() ? column + tensor.shape().size() / axis(2) : column;
        }
    }

    /** @param parameters (n), fp32 */
    Factored(ParameterTable table, NDArray parameters, OptimizerSpec settings, NDManager parent) {
        super(table, parameters, parent);
        this.settings = settings;
        this.confident = settings.type() == OptimizerType.CAME;
        long rows = end(true, Place::rowEnd);
        long columns = end(true, Place::columnEnd);
        List<NDArray> kept = new ArrayList<>(List.of(
                zeros("rows", rows, DataType.FLOAT32),
                zeros("columns", columns, DataType.FLOAT32),
                zeros("secondMoment", end(false, Place::rowEnd), DataType.FLOAT32)));
        if (confident) {
            kept.add(zeros("firstMoment"));
            kept.add(zeros("distanceRows", rows, DataType.FLOAT32));
            kept.add(zeros("distanceColumns", columns, DataType.FLOAT32));
        }
        this.states = kept.toArray(NDArray[]::new);
    }

    private long end(boolean matrix, ToLongFunction<Place> end) {
        // An array without numbers can't be kept in a file.
        return Math.max(
                1,
                places().stream()
                        .filter(p -> p.matrix() == matrix)
                        .mapToLong(end)
                        .max()
                        .orElse(0));
    }

    private List<Place> places() {
        List<Place> places = new ArrayList<>();
        long row = 0;
        long column = 0;
        long second = 0;
        for (ParameterTensor tensor : table.tensors()) {
            Place place = new Place(tensor, tensor.shape().dimension() > 1 ? row : second, column);
            places.add(place);
            row = place.matrix() ? place.rowEnd() : row;
            column = place.columnEnd();
            second = place.matrix() ? second : place.rowEnd();
        }
        return places;
    }

    @Override
    TorchScript compile(String clip, List<ParameterTable.Run> moving) {
        List<Integer> members =
                moving.stream().map(ParameterTable.Run::group).distinct().toList();
        List<Place> places = places().stream()
                .filter(place -> members.contains(place.tensor().group()))
                .toList();
        List<Place> matrices = places.stream().filter(Place::matrix).toList();
        List<Place> vectors = places.stream().filter(place -> !place.matrix()).toList();
        StringBuilder lists = new StringBuilder();
        list(lists, "begins", matrices, p -> p.tensor().offset());
        list(lists, "ends", matrices, p -> p.tensor().end());
        list(lists, "outers", matrices, Place::outer);
        list(lists, "bs", matrices, p -> p.axis(2));
        list(lists, "ds", matrices, p -> p.axis(1));
        list(lists, "rows", matrices, Place::row);
        list(lists, "rowEnds", matrices, Place::rowEnd);
        list(lists, "columns", matrices, Place::column);
        list(lists, "columnEnds", matrices, Place::columnEnd);
        list(lists, "groups", matrices, p -> SHARED + (long) OWN * p.tensor().group());
        list(lists, "vectorBegins", vectors, p -> p.tensor().offset());
        list(lists, "vectorEnds", vectors, p -> p.tensor().end());
        list(lists, "seconds", vectors, Place::row);
        list(lists, "secondEnds", vectors, Place::rowEnd);
        list(
                lists,
                "vectorGroups",
                vectors,
                p -> SHARED + (long) OWN * p.tensor().group());
        Map<String, Object> came = new HashMap<>();
        if (confident) {
            came.put("beta1", settings.firstDecay());
            came.put("rest1", 1 - settings.firstDecay());
            came.put("beta3", BETA3);
            came.put("rest3", 1 - BETA3);
            came.put("distanceEpsilon", DISTANCE_EPSILON);
        }
        return TorchScript.compile(
                confident ? "p, g, r, t, v, m, rr, tt, c" : "p, g, r, t, v, c",
                clip
                        + Template.fill(
                                MOVE,
                                Map.of(
                                        "lists",
                                        lists.toString().strip(),
                                        "matrices",
                                        matrices.size(),
                                        "vectors",
                                        vectors.size(),
                                        "gradientEpsilon",
                                        GRADIENT_EPSILON,
                                        "matrix",
                                        confident ? Template.fill(CONFIDENT, came) : "_10 = u",
                                        "vector",
                                        confident ? Template.fill(MOMENT, came) : "_10 = u")));
    }

    /** An empty list would have no type; nothing reads what stands in its place. */
    private static void list(StringBuilder lines, String name, List<Place> places, ToLongFunction<Place> number) {
        lines.append("%s = [%s]\n".formatted(name, places.isEmpty() ? "0" : Tiles.list(places, number)));
    }

    @Override
    NDArray move(NDArray gradient, Rates rates, NDManager scope) {
        StepNumbers numbers = new StepNumbers(settings.greatestGradientNorm());
        table.each(rates, (group, rate, step) -> {
            double rest = confident ? 1 - settings.secondDecay() : Math.pow(step, DECAY_POWER);
            numbers.add(1 - rest, rest, 1 - rate * group.weightDecay(), rate);
        });
        try (NDArray constants = numbers.in(scope)) {
            List<NDArray> inputs = new ArrayList<>(List.of(parameters, gradient));
            inputs.addAll(List.of(states));
            inputs.add(constants);
            return script(rates).call(scope, inputs.toArray(NDArray[]::new));
        }
    }
}
