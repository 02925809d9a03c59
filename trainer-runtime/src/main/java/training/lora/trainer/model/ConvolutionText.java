package training.lora.trainer.model;

/**
 * A convolution (B, in, H, W) to (B, out, H', W') with bias, and beside it a delta of a low rank as kohya, LyCORIS and
 * peft have it: A convolves as the projection does, {@code a} (r, in k k), and B is a 1x1 convolution, {@code b} (out,
 * r); {@code u} (B, r, H', W'), {@code k} (B, in, H, W).
 *
 * @param in channels of the source
 * @param out channels of the result
 * @param kernel side of the kernel
 * @param stride of the convolution, by which H and W must be divisible
 */
record ConvolutionText(int i, String source, long in, long out, int kernel, int stride, DeltaForm form)
        implements ProjectionText {
    private int padding() {
        return kernel / 2;
    }

    private String geometry() {
        return "[%1$d, %1$d], [%2$d, %2$d], [1, 1]".formatted(stride, padding());
    }

    @Override
    public String forward(String bias) {
        return frozen(bias) + (adapted() ? delta(source) : "");
    }

    @Override
    public String record(String bias) {
        return frozen(bias) + (adapted() ? mask() + delta(seen()) : "");
    }

    private String frozen(String bias) {
        if (kernel == 3 && stride == 1) {
            return Snippets.convolution3("y" + i, source, "w" + i, bias, in, out) + "\n";
        }
        return "y%1$d = torch.conv2d(%2$s, w%1$d, %3$s, %4$s, 1)\n".formatted(i, source, bias, geometry());
    }

    /** The source's size in dimension {@code i}, 2 or 3. */
    private String side(String dy, int i) {
        return "torch.mul(torch.size(%s, %d), %d)".formatted(dy, i, stride);
    }

    private String down(String like) {
        return "torch.type_as(torch.reshape(a%1$d, [-1, %2$d, %3$d, %3$d]), %4$s)".formatted(i, in, kernel, like);
    }

    private String up(String like) {
        return "torch.type_as(torch.reshape(b%1$d, [%2$d, -1, 1, 1]), %3$s)".formatted(i, out, like);
    }

    private String delta(String seen) {
        return """
                u%1$d = torch.conv2d(%2$s, %3$s, None, %4$s, 1)
                y%1$d_ = torch.add_(y%1$d, torch.conv2d(u%1$d, %5$s, None, [1, 1], [0, 0], [1, 1], 1), alpha=%6$s)
                """.formatted(i, seen, down(seen), geometry(), up("u" + i), form.scale());
    }

    @Override
    public String factorGradients(String dy) {
        if (!adapted()) {
            return "";
        }
        return """
                v%1$d, gb%1$d, gb%1$d_ = torch.convolution_backward(%2$s, u%1$d, %3$s, [0], [1, 1], [0, 0], [1, 1], False, [0, 0], 1, [True, True, False])
                e%1$d, ga%1$d, ga%1$d_ = torch.convolution_backward(v%1$d, %4$s, %5$s, [0], %6$s, False, [0, 0], 1, [True, True, False])
                db%1$d_ = torch.add_(db%1$d, torch.reshape(gb%1$d, [%7$d, -1]), alpha=%8$s)
                da%1$d_ = torch.add_(da%1$d, torch.reshape(ga%1$d, [-1, %9$d]), alpha=%8$s)
                """.formatted(
                        i, dy, up(dy), seenAgain(), down("v" + i), geometry(), out, form.scale(), in * kernel * kernel);
    }

    /** Of the source itself nothing but the size is needed, which follows from {@code dy}'s. */
    @Override
    public String sourceGradient(String ds, String dy) {
        String frozen = kernel == 3 && stride == 1
                ? Snippets.convolution3Gradient(ds, dy, "w" + i, in, out)
                : """
                %1$s_x = %4$s
                %1$s, %1$s_w, %1$s_b = torch.convolution_backward(%2$s, %1$s_x, w%3$d, [0], %5$s, False, [0, 0], 1, [True, False, False])
                """.formatted(ds, dy, i, Snippets.sizeOf(dy, in, side(dy, 2), side(dy, 3)), geometry());
        if (!adapted()) {
            return frozen;
        }
        String mask = dropping() ? "%1$s_m = torch.mul_(e%2$d, k%2$d)\n".formatted(ds, i) : "";
        return frozen
                + mask
                + "%1$s_d = torch.add_(%1$s, e%2$d, alpha=%3$s)\n"
                        .formatted(ds, i, form.scale() / (1 - form.dropout()));
    }
}
