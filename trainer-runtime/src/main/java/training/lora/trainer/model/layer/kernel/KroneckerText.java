package training.lora.trainer.model.layer.kernel;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import training.lora.trainer.tensor.Template;

/**
 * TorchScript of y += scale * kron(w1, w2) s, w1 (L, M), w2 (K, N, or K, N k k beside a convolution), without making the
 * product, which is as large as the weight: y[l K + k] = sum over m of w1[l, m] (w2 s_m)[k], where s_m are the N inputs from m
 * N. So w2 is applied to the M parts of the source, and w1 to what that gives, by one matrix product each. R are the rows: the
 * source's of a linear map, a result's pixels of all pictures for a convolution. Names:
 *
 * <ul>
 *   <li>{@code kai} w1, or {@code kai} and {@code kbi} its factors (L, r), (r, M); {@code kci} w2, or {@code kci} and {@code kdi}
 *       its factors (K, r), (r, N or N k k); {@code dkai} and so on what their gradients are added to, fp32
 *   <li>{@code kfi} w1 and {@code ksi} (K, N or N k k) w2 in the type of the pass
 *   <li>{@code kxi}: the source by parts, (M R, N), or (M B, N, H, W) channels last
 *   <li>{@code kzi} (M, R K): w2 of each part; {@code kvi} (M, R K): its gradient without the scale
 *   <li>{@code kgi} (L, R K): the result's gradient
 *   <li>{@code khi} (K, N or N k k): w2's gradient, {@code kei} like kxi: the parts', both without the scale
 * </ul>
 *
 * Nothing is kept for the way back, on which kx and kz are made again.
 */
sealed interface KroneckerText extends DeltaText permits KroneckerLinearText, KroneckerConvolutionText {
    /** What it stands beside. */
    FrozenText map();

    DeltaForm.Kronecker form();

    /** N. */
    long n();

    /** Makes {@code kxi} and {@code kzi} of the source. */
    String parts();

    /** {@code x} (R, L K) as the result lies, whose shape {@code like} has. */
    String result(String x, String like);

    /** The rows (R, L K) of {@code dy}. */
    String rows(String dy);

    /** Makes {@code khi} and {@code kei} of {@code kvi} and {@code kxi}. */
    String partGradients(String dy);

    @Override
    default List<String> arrays() {
        List<String> arrays = new ArrayList<>(List.of("ka" + map().i()));
        if (form().firstFactored()) {
            arrays.add("kb" + map().i());
        }
        arrays.add("kc" + map().i());
        if (form().secondFactored()) {
            arrays.add("kd" + map().i());
        }
        return arrays;
    }

    @Override
    default List<String> gradients() {
        return arrays().stream().map(array -> "d" + array).toList();
    }

    @Override
    default String forward(String bias) {
        return matrices(map().source())
                + parts()
                + fill("""
                ky{i} = torch.permute(torch.reshape(torch.mm(kf{i}, kz{i}), [{l}, -1, {k}]), [1, 0, 2])
                """)
                + "y%1$d_ = torch.add_(y%1$d, %2$s, alpha=%3$s)\n"
                        .formatted(
                                map().i(),
                                result(fill("torch.reshape(ky{i}, [-1, {out}])"), "y" + map().i()),
                                form().scale());
    }

    @Override
    default String record(String bias) {
        return forward(bias);
    }

    @Override
    default String again(String bias) {
        return forward(bias);
    }

    /** Factors are multiplied in fp32: the products are small. */
    private String matrices(String like) {
        return fill((form().firstFactored() ? "kf{i}_w = torch.mm(ka{i}, kb{i})\n" : "kf{i}_w = ka{i}\n")
                        + (form().secondFactored() ? "ks{i}_w = torch.mm(kc{i}, kd{i})\n" : "ks{i}_w = kc{i}\n"))
                + "kf%1$d = torch.type_as(kf%1$d_w, %2$s)\nks%1$d = torch.type_as(ks%1$d_w, %2$s)\n"
                        .formatted(map().i(), like);
    }

    @Override
    default String arrayGradients(String dy) {
        return matrices(dy)
                + parts()
                + "kg%d_r = %s\n".formatted(map().i(), rows(dy))
                + fill("""
                kg{i} = torch.reshape(torch.permute(torch.reshape(kg{i}_r, [-1, {l}, {k}]), [1, 0, 2]), [{l}, -1])
                kv{i} = torch.mm(torch.t(kf{i}), kg{i})
                kj{i} = torch.mm(kg{i}, torch.t(kz{i}))
                """)
                + added("a", "b", "kj", form().firstFactored())
                + partGradients(dy)
                + added("c", "d", "kh", form().secondFactored());
    }

    /** Adds the gradient {@code g} of a matrix to that of the array {@code whole}, or to those of its factors. */
    private String added(String whole, String right, String g, boolean factored) {
        return Template.fill(
                factored ? """
                        {g}{i}_g = torch.to({g}{i}, 6)
                        dk{left}{i}_ = torch.add_(dk{left}{i}, torch.mm({g}{i}_g, torch.t(k{right}{i})), alpha={scale})
                        dk{right}{i}_ = torch.add_(dk{right}{i}, torch.mm(torch.t(k{left}{i}), {g}{i}_g), alpha={scale})
                        """ : "dk{left}{i}_ = torch.add_(dk{left}{i}, {g}{i}, alpha={scale})\n",
                Map.of("i", map().i(), "left", whole, "right", right, "g", g, "scale", form().scale()));
    }

    /** {@code text} with the projection's number and sizes. */
    default String fill(String text) {
        DeltaForm.Kronecker f = form();
        return Template.fill(
                text,
                Map.of(
                        "i",
                        map().i(),
                        "s",
                        map().source(),
                        "l",
                        f.l(),
                        "m",
                        f.m(),
                        "k",
                        f.k(),
                        "n",
                        n(),
                        "out",
                        f.l() * f.k(),
                        "in",
                        f.m() * n()));
    }
}
