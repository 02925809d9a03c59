package training.lora.trainer.model.layer.kernel;

import java.util.List;
import java.util.Map;
import training.lora.trainer.tensor.Template;

/**
 * TorchScript of y += scale * D s for LoHa's D = (a b) o (c d). Unlike a low-rank product D has to be made to be applied: it
 * is, once each way, in the type of the pass, and nothing is kept. Names, beside a map of O outputs and n inputs, n = in k k
 * for a convolution:
 *
 * <ul>
 *   <li>{@code hai} (O, r), {@code hbi} (r, n), {@code hci} (O, r), {@code hdi} (r, n): the arrays; {@code dhai} and so on what
 *       their gradients are added to, fp32
 *   <li>{@code hmi} (O, n) = a b, {@code hni} (O, n) = c d, {@code hpi} (O, n) = D
 *   <li>{@code hgi} (O, n): D's gradient, without the scale
 * </ul>
 *
 * With T = g o (c d): da = T b^T, db = a^T T; the same with (a b) for c and d.
 */
sealed interface HadamardText extends DeltaText permits HadamardLinearText, HadamardConvolutionText {
    /** What it stands beside. */
    FrozenText map();

    DeltaForm.Hadamard form();

    /** Adds scale * hpi of the source to {@code yi}. */
    String apply();

    /** Makes {@code hgi} of the result's gradient, given {@code hpi}. */
    String gradient(String dy);

    @Override
    default List<String> arrays() {
        return List.of("ha" + map().i(), "hb" + map().i(), "hc" + map().i(), "hd" + map().i());
    }

    @Override
    default List<String> gradients() {
        return arrays().stream().map(array -> "d" + array).toList();
    }

    @Override
    default String forward(String bias) {
        return products(map().source()) + "hp%1$d = torch.mul_(hm%1$d, hn%1$d)\n".formatted(map().i()) + apply();
    }

    @Override
    default String record(String bias) {
        return forward(bias);
    }

    @Override
    default String again(String bias) {
        return forward(bias);
    }

    private String products(String like) {
        return Template.fill("""
                ha{i}_t, hb{i}_t = torch.type_as(ha{i}, {like}), torch.type_as(hb{i}, {like})
                hc{i}_t, hd{i}_t = torch.type_as(hc{i}, {like}), torch.type_as(hd{i}, {like})
                hm{i} = torch.mm(ha{i}_t, hb{i}_t)
                hn{i} = torch.mm(hc{i}_t, hd{i}_t)
                """, Map.of("i", map().i(), "like", like));
    }

    @Override
    default String arrayGradients(String dy) {
        return products(dy)
                + "hp%1$d = torch.mul(hm%1$d, hn%1$d)\n".formatted(map().i())
                + gradient(dy)
                + Template.fill("""
                hn{i}_g = torch.mul_(hn{i}, hg{i})
                dha{i}_ = torch.add_(dha{i}, torch.mm(hn{i}_g, torch.t(hb{i}_t)), alpha={scale})
                dhb{i}_ = torch.add_(dhb{i}, torch.mm(torch.t(ha{i}_t), hn{i}_g), alpha={scale})
                hm{i}_g = torch.mul_(hm{i}, hg{i})
                dhc{i}_ = torch.add_(dhc{i}, torch.mm(hm{i}_g, torch.t(hd{i}_t)), alpha={scale})
                dhd{i}_ = torch.add_(dhd{i}, torch.mm(torch.t(hc{i}_t), hm{i}_g), alpha={scale})
                """, Map.of("i", map().i(), "scale", form().scale()));
    }
}
