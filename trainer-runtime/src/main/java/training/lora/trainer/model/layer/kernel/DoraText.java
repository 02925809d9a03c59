package training.lora.trainer.model.layer.kernel;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import training.lora.trainer.tensor.Template;

/**
 * TorchScript of DoRA (Liu et al. 2024) on the output axis, as peft has it: y = m / |W + s B A| (W x + s B A x) + bias, the
 * norm one of each output's row and a constant on the way back. O outputs, Y the result's shape. Beside the names of {@link
 * LowRankText}:
 *
 * <ul>
 *   <li>{@code magi} (O): m, {@code dmagi} what its gradient is added to; {@code sqi} (O): the squares of W's rows
 *   <li>{@code normi} (O): |W + s B A|, kept; {@code morei} (O): m / normi - 1, kept, for in bf16 a factor near 1 has too few
 *       digits
 *   <li>{@code rawi} (Y): W x + s B A x, kept unless the layer makes it again; {@code drawi} (Y): its gradient
 * </ul>
 *
 * @param map that it stands beside, which leaves its bias to it
 * @param product s B A
 * @param remade whether the layer calls {@link #again}
 */
record DoraText(FrozenText map, LowRankText product, boolean remade) implements DeltaText {
    private static final String SCALE = """
            more{i} = torch.sub(torch.div(mag{i}, norm{i}), 1.)
            """;

    private static final String APPLY = """
            raw{i} = y{i}
            y{i} = torch.addcmul(raw{i}, raw{i}, torch.type_as({more}, raw{i}))
            """;

    private static final String BIAS = """
            y{i}_c = torch.add_(y{i}, {bias})
            """;

    private static final String GRADIENTS = """
            dmag{i}_ = torch.add_(dmag{i}, torch.div(torch.sum(torch.mul({dy}, raw{i}), {dimensions}, False, dtype=6), norm{i}))
            draw{i} = torch.addcmul({dy}, {dy}, torch.type_as({more}, {dy}))
            """;

    @Override
    public boolean addsBias() {
        return true;
    }

    @Override
    public List<String> arrays() {
        return Stream.concat(product.arrays().stream(), Stream.of("mag" + map.i(), "sq" + map.i()))
                .toList();
    }

    @Override
    public List<String> gradients() {
        return Stream.concat(product.gradients().stream(), Stream.of("dmag" + map.i()))
                .toList();
    }

    @Override
    public List<String> kept() {
        List<String> kept = new ArrayList<>(product.kept());
        kept.addAll(List.of("norm" + map.i(), "more" + map.i()));
        if (!remade) {
            kept.add("raw" + map.i());
        }
        return kept;
    }

    @Override
    public String forward(String bias) {
        return product.forward(bias) + scaled() + result(bias);
    }

    @Override
    public String record(String bias) {
        return product.record(bias) + scaled() + result(bias);
    }

    @Override
    public String again(String bias) {
        return product.again(bias) + result(bias);
    }

    private String scaled() {
        return NormText.lines(map, product.form().scale()) + Template.fill(SCALE, Map.of("i", map.i()));
    }

    private String result(String bias) {
        return Template.fill(
                APPLY + (bias.isEmpty() ? "" : BIAS),
                Map.of(
                        "i",
                        map.i(),
                        "more",
                        map.across("more" + map.i()),
                        "bias",
                        bias.isEmpty() ? "" : map.across(bias)));
    }

    @Override
    public String upstream(String dy) {
        return "draw" + map.i();
    }

    @Override
    public String arrayGradients(String dy) {
        return Template.fill(
                        GRADIENTS,
                        Map.of(
                                "i",
                                map.i(),
                                "dy",
                                dy,
                                "dimensions",
                                map.dimensionsOfAnOutput(),
                                "more",
                                map.across("more" + map.i())))
                + product.arrayGradients(upstream(dy));
    }

    @Override
    public String sourceGradient(String ds, String dy) {
        return product.sourceGradient(ds, dy);
    }
}
