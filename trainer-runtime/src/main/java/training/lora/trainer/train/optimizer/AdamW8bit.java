package training.lora.trainer.train.optimizer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.DoubleStream;
import training.lora.api.OptimizerSpec;
import training.lora.trainer.tensor.Template;
import training.lora.trainer.tensor.TorchScript;

/**
 * AdamW with moments of 8 bits (Dettmers et al. 2022), as bitsandbytes' AdamW8bit: each block of 256 numbers of a tensor has
 * its greatest absolute value in fp32, and each number the nearest of 256 codes of it. Tensors under 4096 numbers keep fp32
 * moments. A step decays after it has moved, and where a gradient is no finite number it leaves the parameter.
 */
final class AdamW8bit extends Optimizer {
    private static final double EPSILON = 1e-8;

    private static final int BLOCK = 256;

    /** Numbers from which a tensor's moments have 8 bits. */
    private static final int SMALLEST = 4096;

    /** Powers of ten that codes span. */
    private static final int POWERS = 7;

    /** Numbers of a step before those of groups: greatest norm, b1, 1 - b1, b2, 1 - b2. */
    private static final int SHARED = 5;

    /** Numbers of a step that each group has: rate, epsilon, what its parameters decay to. */
    private static final int OWN = 3;

    /** What moves p: parameters of g: gradient, by m and v, whose shape they have; gradients that are not finite are 0 in both. */
    private static final String MOVE = """
            fi = torch.isfinite(gi)
             mi = torch.where(fi, torch.add_(torch.mul_(mi, k[1]), torch.mul(gi, k[2])), torch.zeros_like(gi))
             vi = torch.where(fi, torch.add_(torch.mul_(vi, k[3]), torch.mul_(torch.mul(gi, gi), k[4])), torch.zeros_like(gi))
             x = torch.sub(pi, torch.mul_(torch.div(mi, torch.add_(torch.sqrt(vi), k[torch.add(q, 1)])), k[q]))
             _0 = torch.copy_(pi, torch.where(fi, torch.mul_(x, k[torch.add(q, 2)]), pi))""";

    /**
     * p: parameters, g: gradient, (n); mc and vc: codes, uint8, ma and va: their blocks' greatest, of large tensors; m and v:
     * moments of small ones; mq and vq: what codes stand for (256); me and ve: from where to where they do (255). Lists tell
     * where each tile lies in these; one that ends within a block is filled up with zeros.
     */
    private static final String STEP = """
            {lists}
            for i in range({small}):
             q = smallGroups[i]
             gi = torch.slice(g, 0, smallBegins[i], smallEnds[i])
             pi = torch.slice(p, 0, smallBegins[i], smallEnds[i])
             ms = torch.slice(m, 0, places[i], placeEnds[i])
             vs = torch.slice(v, 0, places[i], placeEnds[i])
             mi = torch.clone(ms)
             vi = torch.clone(vs)
             {move}
             _1 = torch.copy_(ms, mi)
             _2 = torch.copy_(vs, vi)
            for i in range({large}):
             q = groups[i]
             gi = torch.slice(g, 0, begins[i], ends[i])
             pi = torch.slice(p, 0, begins[i], ends[i])
             mci = torch.slice(mc, 0, codes[i], codeEnds[i])
             vci = torch.slice(vc, 0, codes[i], codeEnds[i])
             mai = torch.unsqueeze(torch.slice(ma, 0, blocks[i], blockEnds[i]), 1)
             vai = torch.unsqueeze(torch.slice(va, 0, blocks[i], blockEnds[i]), 1)
             size = torch.sub(ends[i], begins[i])
             mb = torch.reshape(torch.constant_pad_nd(torch.index_select(mq, 0, torch.to(mci, 3)), [0, pads[i]]), [-1, {block}])
             vb = torch.reshape(torch.constant_pad_nd(torch.index_select(vq, 0, torch.to(vci, 3)), [0, pads[i]]), [-1, {block}])
             mi = torch.slice(torch.reshape(torch.mul(mb, mai), [-1]), 0, 0, size)
             vi = torch.slice(torch.reshape(torch.mul(vb, vai), [-1]), 0, 0, size)
             {move}
             mb = torch.reshape(torch.constant_pad_nd(mi, [0, pads[i]]), [-1, {block}])
             vb = torch.reshape(torch.constant_pad_nd(vi, [0, pads[i]]), [-1, {block}])
             _3 = torch.copy_(mai, torch.amax(torch.abs(mb), [1], True))
             _4 = torch.copy_(vai, torch.amax(vb, [1], True))
             mb = torch.div(mb, torch.where(torch.gt(mai, 0.), mai, torch.ones_like(mai)))
             vb = torch.div(vb, torch.where(torch.gt(vai, 0.), vai, torch.ones_like(vai)))
             mn = torch.bucketize(mb, me, out_int32=True)
             lost = torch.logical_and(torch.lt(mb, 0.), torch.eq(mn, {zero}))
             mn = torch.sub_(mn, torch.to(lost, 3))
             vn = torch.bucketize(vb, ve, out_int32=True)
             _5 = torch.copy_(mci, torch.slice(torch.reshape(mn, [-1]), 0, 0, size))
             _6 = torch.copy_(vci, torch.slice(torch.reshape(vn, [-1]), 0, 0, size))
            _7 = torch.zero_(g)
            return n
            """;

    private final OptimizerSpec settings;
    private final NDArray[] states;

    /**
     * Numbers that are moved at a time.
     *
     * @param begin where they begin among the parameters
     * @param code where they begin among codes, or among fp32 moments
     * @param block their first block; -1 where they have none
     */
    private record Part(int group, long begin, long end, long code, long block) {
        long size() {
            return end - begin;
        }

        long blocks() {
            return (size() + BLOCK - 1) / BLOCK;
        }
    }

    /** @param parameters (n), fp32 */
    AdamW8bit(ParameterTable table, NDArray parameters, OptimizerSpec settings, NDManager parent) {
        super(table, parameters, parent);
        this.settings = settings;
        List<Part> large = parts(true);
        long codes = large.stream().mapToLong(p -> p.code() + p.size()).max().orElse(1);
        long blocks =
                large.stream().mapToLong(p -> p.block() + p.blocks()).max().orElse(1);
        long small =
                parts(false).stream().mapToLong(p -> p.code() + p.size()).max().orElse(1);
        float[] signed = codes(true);
        float[] unsigned = codes(false);
        this.states = new NDArray[] {
            zeros("firstCodes", codes, DataType.UINT8),
            zeros("secondCodes", codes, DataType.UINT8),
            zeros("firstGreatest", blocks, DataType.FLOAT32),
            zeros("secondGreatest", blocks, DataType.FLOAT32),
            zeros("smallFirstMoment", small, DataType.FLOAT32),
            zeros("smallSecondMoment", small, DataType.FLOAT32),
            own(parent.create(signed)),
            own(parent.create(unsigned)),
            own(parent.create(edges(signed))),
            own(parent.create(edges(unsigned)))
        };
    }

    /**
     * What the 256 codes stand for, rising: for each power of ten from 1e-6 to 1 the middles of equal parts of what lies
     * between a tenth of it and it, twice as many as for the power before, and 0 and 1.
     *
     * @param signed whether half of them are below 0
     */
    static float[] codes(boolean signed) {
        DoubleStream.Builder all = DoubleStream.builder().add(0).add(1);
        for (int i = 0; i < POWERS; i++) {
            int parts = (signed ? 1 : 2) << i;
            for (int j = 0; j < parts; j++) {
                double middle = (0.1 + 0.9 * (j + 0.5) / parts) * Math.pow(10, i - POWERS + 1);
                all.add(middle);
                if (signed) {
                    all.add(-middle);
                }
            }
        }
        double[] sorted = all.build().sorted().toArray();
        float[] codes = new float[sorted.length];
        for (int i = 0; i < codes.length; i++) {
            codes[i] = (float) sorted[i];
        }
        return codes;
    }

    /** Between each two codes the number up to which the lower one is nearer. */
    private static float[] edges(float[] codes) {
        float[] edges = new float[codes.length - 1];
        for (int i = 0; i < edges.length; i++) {
            edges[i] = (float) (((double) codes[i] + codes[i + 1]) / 2);
        }
        return edges;
    }

    /** Those of large tensors or of small ones; neighbours that fill their blocks are moved together. */
    private List<Part> parts(boolean large) {
        List<Part> parts = new ArrayList<>();
        long code = 0;
        long block = 0;
        for (ParameterTensor tensor : table.tensors()) {
            long size = tensor.shape().size();
            if (size >= SMALLEST != large) {
                continue;
            }
            Part last = parts.isEmpty() ? null : parts.get(parts.size() - 1);
            if (last != null
                    && last.group() == tensor.group()
                    && last.end() == tensor.offset()
                    && last.size() % BLOCK == 0
                    && last.size() + size <= AdamW.TILE) {
                parts.set(
                        parts.size() - 1,
                        new Part(last.group(), last.begin(), tensor.end(), last.code(), last.block()));
            } else {
                parts.add(new Part(tensor.group(), tensor.offset(), tensor.end(), code, block));
            }
            code += size;
            block += (size + BLOCK - 1) / BLOCK;
        }
        return parts;
    }

    @Override
    TorchScript compile(String clip, List<ParameterTable.Run> moving) {
        List<Integer> members =
                moving.stream().map(ParameterTable.Run::group).distinct().toList();
        List<Part> large =
                parts(true).stream().filter(p -> members.contains(p.group())).toList();
        List<Part> small =
                parts(false).stream().filter(p -> members.contains(p.group())).toList();
        List<String> lists = List.of(
                list("begins", large.stream().map(Part::begin).toList()),
                list("ends", large.stream().map(Part::end).toList()),
                list("codes", large.stream().map(Part::code).toList()),
                list("codeEnds", large.stream().map(p -> p.code() + p.size()).toList()),
                list("blocks", large.stream().map(Part::block).toList()),
                list(
                        "blockEnds",
                        large.stream().map(p -> p.block() + p.blocks()).toList()),
                list(
                        "pads",
                        large.stream().map(p -> BLOCK * p.blocks() - p.size()).toList()),
                list("groups", large.stream().map(AdamW8bit::numbers).toList()),
                list("smallBegins", small.stream().map(Part::begin).toList()),
                list("smallEnds", small.stream().map(Part::end).toList()),
                list("places", small.stream().map(Part::code).toList()),
                list("placeEnds", small.stream().map(p -> p.code() + p.size()).toList()),
                list("smallGroups", small.stream().map(AdamW8bit::numbers).toList()));
        Map<String, Object> values = new HashMap<>();
        values.put("lists", String.join("\n", lists));
        values.put("small", small.size());
        values.put("large", large.size());
        values.put("move", MOVE);
        values.put("block", BLOCK);
        values.put("zero", BLOCK / 2 - 1);
        return TorchScript.compile("p, g, mc, vc, ma, va, m, v, mq, vq, me, ve, c", clip + Template.fill(STEP, values));
    }

    /** Where the numbers of its group begin. */
    private static long numbers(Part part) {
        return SHARED + (long) OWN * part.group();
    }

    /** An empty list would have no type; nothing reads what stands in its place. */
    private static String list(String name, List<Long> numbers) {
        return "%s = [%s]".formatted(name, numbers.isEmpty() ? "0" : Tiles.list(numbers, n -> n));
    }

    @Override
    NDArray move(NDArray gradient, Rates rates, NDManager scope) {
        StepNumbers numbers = new StepNumbers(
                settings.greatestGradientNorm(),
                settings.firstDecay(),
                1 - settings.firstDecay(),
                settings.secondDecay(),
                1 - settings.secondDecay());
        table.each(rates, (group, rate, step) -> {
            double root = Math.sqrt(1 - Math.pow(settings.secondDecay(), step));
            numbers.add(
                    rate * root / (1 - Math.pow(settings.firstDecay(), step)),
                    EPSILON * root,
                    1 - rate * group.weightDecay());
        });
        try (NDArray constants = numbers.in(scope)) {
            List<NDArray> inputs = new ArrayList<>(List.of(parameters, gradient));
            inputs.addAll(List.of(states));
            inputs.add(constants);
            return script(rates).call(scope, inputs.toArray(NDArray[]::new));
        }
    }
}
