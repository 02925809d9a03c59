package training.lora.trainer.model.layer.kernel;

import java.util.Map;
import training.lora.trainer.tensor.Template;

/**
 * A frozen convolution with bias: s (B, in, H, W), W (out, in, k, k), y (B, out, H', W').
 *
 * @param in channels of the source
 * @param out channels of the result
 * @param kernel side of the kernel
 * @param stride of the convolution, by which H and W must be divisible
 */
public record ConvolutionText(int i, String source, long in, long out, int kernel, int stride) implements FrozenText {
    /** Stride, padding and dilation, as libtorch takes them. */
    String geometry() {
        return "[%1$d, %1$d], [%2$d, %2$d], [1, 1]".formatted(stride, kernel / 2);
    }

    @Override
    public String forward(String bias) {
        if (kernel == 3 && stride == 1) {
            return Snippets.convolution3("y" + i, source, "w" + i, bias, in, out) + "\n";
        }
        return Template.fill(
                "y{i} = torch.conv2d({s}, w{i}, {bias}, {geometry}, 1)\n",
                Map.of("i", i, "s", source, "bias", bias, "geometry", geometry()));
    }

    /** Of the source itself nothing but the size is needed, which follows from {@code dy}'s. */
    @Override
    public String sourceGradient(String ds, String dy) {
        return kernel == 3 && stride == 1
                ? Snippets.convolution3Gradient(ds, dy, "w" + i, in, out)
                : Template.fill(
                        """
                        {ds}_x = {like}
                        {ds}, {ds}_w, {ds}_b = torch.convolution_backward({dy}, {ds}_x, w{i}, [0], {geometry}, False, [0, 0], 1, [True, False, False])
                        """,
                        Map.of(
                                "i",
                                i,
                                "ds",
                                ds,
                                "dy",
                                dy,
                                "like",
                                Snippets.sizeOf(dy, in, side(dy, 2), side(dy, 3)),
                                "geometry",
                                geometry()));
    }

    /** The source's size in dimension {@code d}, 2 or 3. */
    private String side(String dy, int d) {
        return "torch.mul(torch.size(%s, %d), %d)".formatted(dy, d, stride);
    }

    @Override
    public LowRankText lowRank(DeltaForm.LowRank form) {
        return new LowRankConvolutionText(this, form);
    }
}
