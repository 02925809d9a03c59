package training.lora.trainer.model;

/** Lines of TorchScript that several layers share. Names of weights end in w, of biases in b. */
final class Snippets {
    private static final int FEW_PIXELS = 256;

    private Snippets() {}

    /** {@code w} (N, width), sines and cosines of {@code x} (N) at wavelengths from 2 pi to 20000 pi. */
    static String waves(String x, int width) {
        return """
                f = torch.exp(torch.mul(torch.to(torch.arange(%2$d, dtype=None, layout=None, device=ops.prim.device(%1$s)), 6), %3$s))
                a = torch.mul(torch.unsqueeze(%1$s, 1), torch.unsqueeze(f, 0))
                w = torch.cat([torch.cos(a), torch.sin(a)], 1)
                """.formatted(x, width / 2, -Math.log(10000) / (width / 2));
    }

    /** Numbers of the rows of {@code x}, on its device. */
    static String rows(String x) {
        return "torch.arange(torch.size(%1$s, 0), dtype=None, layout=None, device=ops.prim.device(%1$s))".formatted(x);
    }

    /**
     * {@code y} = group norm of {@code x} (B, C, H, W), with its mean {@code y}m and reciprocal deviation {@code y}r.
     * The kernel for cards takes weights of x's type only and rounds the statistics to it, and no channels last: there
     * the norm is computed in fp32, as autocast does.
     */
    static String groupNorm(String y, String x, String weights, long channels, int groups, double eps) {
        return """
                if ops.prim.is_cuda(%2$s):
                 %1$s_f, %1$sm_f, %1$sr_f = torch.native_group_norm(torch.contiguous(torch.to(%2$s, 6)), %3$sw, %3$sb, %4$s, %5$d, %6$s)
                 %1$s_y, %1$s_m, %1$s_r = torch.copy_(torch.empty_like(%2$s), %1$s_f), %1$sm_f, %1$sr_f
                else:
                 %1$s_y, %1$s_m, %1$s_r = torch.native_group_norm(%2$s, %3$sw, %3$sb, %4$s, %5$d, %6$s)
                %1$s, %1$sm, %1$sr = %1$s_y, %1$s_m, %1$s_r""".formatted(y, x, weights, sizes(x, channels), groups, eps);
    }

    /**
     * {@code dx}, the gradient of {@code x}, which must be channels last; {@code mean} and {@code rstd} are those of the
     * forward pass.
     */
    static String groupNormGradient(
            String dx, String dy, String x, String mean, String rstd, String weights, long channels, int groups) {
        // The kernel takes dy to lie in memory as x does.
        return """
                if ops.prim.is_cuda(%3$s):
                 %1$s_f, %1$s_v, %1$s_c = torch.native_group_norm_backward(torch.contiguous(torch.to(%2$s, 6)), torch.contiguous(torch.to(%3$s, 6)), %4$s, %5$s, %6$sw, %7$s, %8$d, [True, False, False])
                 %1$s_g = torch.copy_(torch.empty_like(%3$s), %1$s_f)
                else:
                 %1$s_g, %1$s_w, %1$s_b = torch.native_group_norm_backward(torch.contiguous(%2$s, memory_format=2), %3$s, %4$s, %5$s, %6$sw, %7$s, %8$d, [True, False, False])
                %1$s = %1$s_g""".formatted(dx, dy, x, mean, rstd, weights, sizes(x, channels), groups);
    }

    private static String sizes(String x, long channels) {
        return "torch.size(%1$s, 0), %2$d, torch.mul(torch.size(%1$s, 2), torch.size(%1$s, 3))".formatted(x, channels);
    }

    /**
     * {@code y} = layer norm of {@code x} (…, C), with mean {@code y}m and reciprocal deviation {@code y}r; in fp32 where
     * the kernel takes no weights of another type than x's.
     */
    static String layerNorm(String y, String x, String weights, long width, double eps) {
        return """
                if ops.prim.is_cuda(%2$s):
                 %1$s_f, %1$sm_f, %1$sr_f = torch.native_layer_norm(torch.to(%2$s, 6), [%4$d], %3$sw, %3$sb, %5$s)
                 %1$s_y, %1$s_m, %1$s_r = torch.type_as(%1$s_f, %2$s), %1$sm_f, %1$sr_f
                else:
                 %1$s_y, %1$s_m, %1$s_r = torch.native_layer_norm(%2$s, [%4$d], %3$sw, %3$sb, %5$s)
                %1$s, %1$sm, %1$sr = %1$s_y, %1$s_m, %1$s_r""".formatted(y, x, weights, width, eps);
    }

    /** {@code dx}, the gradient of {@code x}; {@code mean} and {@code rstd} are those of the forward pass. */
    static String layerNormGradient(
            String dx, String dy, String x, String mean, String rstd, String weights, long width) {
        return """
                if ops.prim.is_cuda(%3$s):
                 %1$s_f, %1$s_v, %1$s_c = torch.native_layer_norm_backward(torch.to(%2$s, 6), torch.to(%3$s, 6), [%7$d], %4$s, %5$s, %6$sw, %6$sb, [True, False, False])
                 %1$s_g = torch.type_as(%1$s_f, %3$s)
                else:
                 %1$s_g, %1$s_w, %1$s_b = torch.native_layer_norm_backward(%2$s, %3$s, [%7$d], %4$s, %5$s, %6$sw, %6$sb, [True, False, False])
                %1$s = %1$s_g""".formatted(dx, dy, x, mean, rstd, weights, width);
    }

    /**
     * {@code y} = convolution of {@code x} (B, C, H, W) with a kernel of 3x3, stride 1 and padding 1. Few pixels are
     * laid out as rows for one matrix product: the convolution's own kernel brings the weights into another order at each
     * call, which is most of its time there.
     */
    static String convolution3(String y, String x, String weight, String bias, long in, long out) {
        return """
                %1$s_i = %2$s
                if torch.le(torch.mul(torch.size(%1$s_i, 0), torch.mul(torch.size(%1$s_i, 2), torch.size(%1$s_i, 3))), %6$d):
                 %1$s_u = torch.unfold(torch.unfold(torch.constant_pad_nd(%1$s_i, [1, 1, 1, 1], 0.), 2, 3, 1), 3, 3, 1)
                 %1$s_r = torch.reshape(torch.permute(%1$s_u, [0, 2, 3, 4, 5, 1]), [-1, %4$d])
                 %1$s_l = torch.linear(%1$s_r, torch.reshape(torch.permute(%3$s, [0, 2, 3, 1]), [%5$d, %4$d]), %7$s)
                 %1$s_o = torch.permute(torch.reshape(%1$s_l, [torch.size(%1$s_i, 0), torch.size(%1$s_i, 2), torch.size(%1$s_i, 3), %5$d]), [0, 3, 1, 2])
                else:
                 %1$s_o = torch.conv2d(%1$s_i, %3$s, %7$s, [1, 1], [1, 1], [1, 1], 1)
                %1$s = %1$s_o""".formatted(y, x, weight, 9 * in, out, FEW_PIXELS, bias);
    }

    /**
     * {@code dx} = gradient of {@link #convolution3}'s {@code x}, from {@code dy}. On a CPU it is one product too for few
     * pixels, whose nine parts are added up where they belong in fp32, on a picture with a border.
     */
    static String convolution3Gradient(String dx, String dy, String weight, long in, long out) {
        StringBuilder parts = new StringBuilder();
        for (int i = 0; i < 9; i++) {
            parts.append("""
                     %1$s_%2$d = torch.add_(torch.slice(torch.slice(%1$s_a, 1, %3$d, torch.add(%1$s_h, %3$d)), 2, %4$d, torch.add(%1$s_v, %4$d)), torch.select(%1$s_p, 3, %2$d))
                    """.formatted(dx, i, i / 3, i % 3));
        }
        return """
                %1$s_d = %2$s
                %1$s_h = torch.size(%1$s_d, 2)
                %1$s_v = torch.size(%1$s_d, 3)
                if torch.__and__(torch.__not__(ops.prim.is_cuda(%1$s_d)), torch.le(torch.mul(torch.size(%1$s_d, 0), torch.mul(%1$s_h, %1$s_v)), %6$d)):
                 %1$s_r = torch.reshape(torch.permute(%1$s_d, [0, 2, 3, 1]), [-1, %5$d])
                 %1$s_l = torch.mm(%1$s_r, torch.reshape(torch.permute(%3$s, [0, 2, 3, 1]), [%5$d, %7$d]))
                 %1$s_p = torch.reshape(%1$s_l, [torch.size(%1$s_d, 0), %1$s_h, %1$s_v, 9, %4$d])
                 %1$s_a = torch.new_zeros(%1$s_d, [torch.size(%1$s_d, 0), torch.add(%1$s_h, 2), torch.add(%1$s_v, 2), %4$d], dtype=6)
                """.formatted(dx, dy, weight, in, out, FEW_PIXELS, 9 * in)
                + parts
                + """
                 %1$s_i = torch.slice(torch.slice(%1$s_a, 1, 1, torch.add(%1$s_h, 1)), 2, 1, torch.add(%1$s_v, 1))
                 %1$s_o = torch.permute(torch.contiguous(torch.type_as(%1$s_i, %1$s_d)), [0, 3, 1, 2])
                else:
                 %1$s_x = %4$s
                 %1$s_o, %1$s_w, %1$s_b = torch.convolution_backward(%1$s_d, %1$s_x, %3$s, [0], [1, 1], [1, 1], [1, 1], False, [0, 0], 1, [True, False, False])
                %1$s = %1$s_o
                """.formatted(dx, in, weight, sizeOf(dx + "_d", in, dx + "_h", dx + "_v"));
    }

    /**
     * An array of a convolution's source's size (B, channels, height, width), channels last and without values: all that
     * convolution_backward asks of it where the weight is frozen. Given an expanded scalar it would make a copy.
     */
    static String sizeOf(String dy, long channels, String height, String width) {
        return "torch.permute(torch.new_empty(%1$s, [torch.size(%1$s, 0), %3$s, %4$s, %2$d]), [0, 3, 1, 2])"
                .formatted(dy, channels, height, width);
    }
}
