package training.lora.trainer.model.layer.kernel;

import java.util.Map;
import training.lora.trainer.tensor.Template;

/** Lines of TorchScript that several layers share. Names of weights end in w, of biases in b. */
public final class Snippets {
    private static final int FEW_PIXELS = 256;

    private Snippets() {}

    /** {@code w} (N, width), sines and cosines of {@code x} (N) at wavelengths from 2 pi to 20000 pi. */
    public static String waves(String x, int width) {
        return Template.fill("""
                f = torch.exp(torch.mul(torch.to(torch.arange({half}, dtype=None, layout=None, device=ops.prim.device({x})), 6), {step}))
                a = torch.mul(torch.unsqueeze({x}, 1), torch.unsqueeze(f, 0))
                w = torch.cat([torch.cos(a), torch.sin(a)], 1)
                """, Map.of("x", x, "half", width / 2, "step", -Math.log(10000) / (width / 2)));
    }

    /** Numbers of the rows of {@code x}, on its device. */
    public static String rows(String x) {
        return "torch.arange(torch.size(%1$s, 0), dtype=None, layout=None, device=ops.prim.device(%1$s))".formatted(x);
    }

    /**
     * {@code y} = group norm of {@code x} (B, C, H, W), with its mean {@code y}m and reciprocal deviation {@code y}r.
     * The kernel for cards takes weights of x's type only and rounds the statistics to it, and no channels last: there
     * the norm is computed in fp32, as autocast does.
     */
    public static String groupNorm(String y, String x, String weights, long channels, int groups, double eps) {
        return Template.fill(
                """
                if ops.prim.is_cuda({x}):
                 {y}_f, {y}m_f, {y}r_f = torch.native_group_norm(torch.contiguous(torch.to({x}, 6)), {weights}w, {weights}b, {sizes}, {groups}, {eps})
                 {y}_y, {y}_m, {y}_r = torch.copy_(torch.empty_like({x}), {y}_f), {y}m_f, {y}r_f
                else:
                 {y}_y, {y}_m, {y}_r = torch.native_group_norm({x}, {weights}w, {weights}b, {sizes}, {groups}, {eps})
                {y}, {y}m, {y}r = {y}_y, {y}_m, {y}_r""",
                Map.of("y", y, "x", x, "weights", weights, "sizes", sizes(x, channels), "groups", groups, "eps", eps));
    }

    /**
     * {@code dx}, the gradient of {@code x}, which must be channels last; {@code mean} and {@code rstd} are those of the
     * forward pass.
     */
    public static String groupNormGradient(
            String dx, String dy, String x, String mean, String rstd, String weights, long channels, int groups) {
        // The kernel takes dy to lie in memory as x does.
        return Template.fill(
                """
                if ops.prim.is_cuda({x}):
                 {dx}_f, {dx}_v, {dx}_c = torch.native_group_norm_backward(torch.contiguous(torch.to({dy}, 6)), torch.contiguous(torch.to({x}, 6)), {mean}, {rstd}, {weights}w, {sizes}, {groups}, [True, False, False])
                 {dx}_g = torch.copy_(torch.empty_like({x}), {dx}_f)
                else:
                 {dx}_g, {dx}_w, {dx}_b = torch.native_group_norm_backward(torch.contiguous({dy}, memory_format=2), {x}, {mean}, {rstd}, {weights}w, {sizes}, {groups}, [True, False, False])
                {dx} = {dx}_g""",
                Map.of(
                        "dx",
                        dx,
                        "dy",
                        dy,
                        "x",
                        x,
                        "mean",
                        mean,
                        "rstd",
                        rstd,
                        "weights",
                        weights,
                        "sizes",
                        sizes(x, channels),
                        "groups",
                        groups));
    }

    private static String sizes(String x, long channels) {
        return "torch.size(%1$s, 0), %2$d, torch.mul(torch.size(%1$s, 2), torch.size(%1$s, 3))".formatted(x, channels);
    }

    /**
     * {@code y} = layer norm of {@code x} (…, C), with mean {@code y}m and reciprocal deviation {@code y}r; in fp32 where
     * the kernel takes no weights of another type than x's.
     */
    public static String layerNorm(String y, String x, String weights, long width, double eps) {
        return Template.fill("""
                if ops.prim.is_cuda({x}):
                 {y}_f, {y}m_f, {y}r_f = torch.native_layer_norm(torch.to({x}, 6), [{width}], {weights}w, {weights}b, {eps})
                 {y}_y, {y}_m, {y}_r = torch.type_as({y}_f, {x}), {y}m_f, {y}r_f
                else:
                 {y}_y, {y}_m, {y}_r = torch.native_layer_norm({x}, [{width}], {weights}w, {weights}b, {eps})
                {y}, {y}m, {y}r = {y}_y, {y}_m, {y}_r""", Map.of("y", y, "x", x, "weights", weights, "width", width, "eps", eps));
    }

    /** {@code dx}, the gradient of {@code x}; {@code mean} and {@code rstd} are those of the forward pass. */
    public static String layerNormGradient(
            String dx, String dy, String x, String mean, String rstd, String weights, long width) {
        return Template.fill(
                """
                if ops.prim.is_cuda({x}):
                 {dx}_f, {dx}_v, {dx}_c = torch.native_layer_norm_backward(torch.to({dy}, 6), torch.to({x}, 6), [{width}], {mean}, {rstd}, {weights}w, {weights}b, [True, False, False])
                 {dx}_g = torch.type_as({dx}_f, {x})
                else:
                 {dx}_g, {dx}_w, {dx}_b = torch.native_layer_norm_backward({dy}, {x}, [{width}], {mean}, {rstd}, {weights}w, {weights}b, [True, False, False])
                {dx} = {dx}_g""",
                Map.of("dx", dx, "dy", dy, "x", x, "mean", mean, "rstd", rstd, "weights", weights, "width", width));
    }

    /**
     * {@code y} = convolution of {@code x} (B, C, H, W) with a kernel of 3x3, stride 1 and padding 1. Few pixels are
     * laid out as rows for one matrix product: the convolution's own kernel brings the weights into another order at each
     * call, which is most of its time there.
     */
    static String convolution3(String y, String x, String weight, String bias, long in, long out) {
        return Template.fill(
                """
                {y}_i = {x}
                if torch.le(torch.mul(torch.size({y}_i, 0), torch.mul(torch.size({y}_i, 2), torch.size({y}_i, 3))), {few}):
                 {y}_u = torch.unfold(torch.unfold(torch.constant_pad_nd({y}_i, [1, 1, 1, 1], 0.), 2, 3, 1), 3, 3, 1)
                 {y}_r = torch.reshape(torch.permute({y}_u, [0, 2, 3, 4, 5, 1]), [-1, {fanIn}])
                 {y}_l = torch.linear({y}_r, torch.reshape(torch.permute({weight}, [0, 2, 3, 1]), [{out}, {fanIn}]), {bias})
                 {y}_o = torch.permute(torch.reshape({y}_l, [torch.size({y}_i, 0), torch.size({y}_i, 2), torch.size({y}_i, 3), {out}]), [0, 3, 1, 2])
                else:
                 {y}_o = torch.conv2d({y}_i, {weight}, {bias}, [1, 1], [1, 1], [1, 1], 1)
                {y} = {y}_o""",
                Map.of("y", y, "x", x, "weight", weight, "fanIn", 9 * in, "out", out, "few", FEW_PIXELS, "bias", bias));
    }

    /**
     * {@code dx} = gradient of {@link #convolution3}'s {@code x}, from {@code dy}. On a CPU it is one product too for few
     * pixels, whose nine parts are added up where they belong in fp32, on a picture with a border.
     */
    static String convolution3Gradient(String dx, String dy, String weight, long in, long out) {
        StringBuilder parts = new StringBuilder();
        for (int i = 0; i < 9; i++) {
            parts.append(Template.fill("""
                     {dx}_{i} = torch.add_(torch.slice(torch.slice({dx}_a, 1, {row}, torch.add({dx}_h, {row})), 2, {column}, torch.add({dx}_v, {column})), torch.select({dx}_p, 3, {i}))
                    """, Map.of("dx", dx, "i", i, "row", i / 3, "column", i % 3)));
        }
        return Template.fill(
                        """
                {dx}_d = {dy}
                {dx}_h = torch.size({dx}_d, 2)
                {dx}_v = torch.size({dx}_d, 3)
                if torch.__and__(torch.__not__(ops.prim.is_cuda({dx}_d)), torch.le(torch.mul(torch.size({dx}_d, 0), torch.mul({dx}_h, {dx}_v)), {few})):
                 {dx}_r = torch.reshape(torch.permute({dx}_d, [0, 2, 3, 1]), [-1, {out}])
                 {dx}_l = torch.mm({dx}_r, torch.reshape(torch.permute({weight}, [0, 2, 3, 1]), [{out}, {fanIn}]))
                 {dx}_p = torch.reshape({dx}_l, [torch.size({dx}_d, 0), {dx}_h, {dx}_v, 9, {in}])
                 {dx}_a = torch.new_zeros({dx}_d, [torch.size({dx}_d, 0), torch.add({dx}_h, 2), torch.add({dx}_v, 2), {in}], dtype=6)
                """,
                        Map.of(
                                "dx",
                                dx,
                                "dy",
                                dy,
                                "weight",
                                weight,
                                "in",
                                in,
                                "out",
                                out,
                                "few",
                                FEW_PIXELS,
                                "fanIn",
                                9 * in))
                + parts
                + Template.fill(
                        """
                 {dx}_i = torch.slice(torch.slice({dx}_a, 1, 1, torch.add({dx}_h, 1)), 2, 1, torch.add({dx}_v, 1))
                 {dx}_o = torch.permute(torch.contiguous(torch.type_as({dx}_i, {dx}_d)), [0, 3, 1, 2])
                else:
                 {dx}_x = {source}
                 {dx}_o, {dx}_w, {dx}_b = torch.convolution_backward({dx}_d, {dx}_x, {weight}, [0], [1, 1], [1, 1], [1, 1], False, [0, 0], 1, [True, False, False])
                {dx} = {dx}_o
                """,
                        Map.of(
                                "dx",
                                dx,
                                "in",
                                in,
                                "weight",
                                weight,
                                "source",
                                sizeOf(dx + "_d", in, dx + "_h", dx + "_v")));
    }

    /**
     * An array of a convolution's source's size (B, channels, height, width), channels last and without values: all that
     * convolution_backward asks of it where the weight is frozen. Given an expanded scalar it would make a copy.
     */
    static String sizeOf(String dy, long channels, String height, String width) {
        return Template.fill(
                "torch.permute(torch.new_empty({dy}, [torch.size({dy}, 0), {height}, {width}, {channels}]), [0, 3, 1, 2])",
                Map.of("dy", dy, "channels", channels, "height", height, "width", width));
    }
}
