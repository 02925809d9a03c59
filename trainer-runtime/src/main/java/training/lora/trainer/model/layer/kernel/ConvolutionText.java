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
    public String forward(String biasOrNone) {
        String bias = biasOrNone.isEmpty() ? "None" : biasOrNone;
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

    /** As the weight lies in memory, channels last. */
    @Override
    public String rows(String w) {
        return "torch.reshape(torch.permute(%s, [0, 2, 3, 1]), [%d, %d])".formatted(w, out, fanIn());
    }

    @Override
    public String rowsOfA(String a) {
        return Template.fill(
                "torch.reshape(torch.permute(torch.reshape({a}, [-1, {in}, {k}, {k}]), [0, 2, 3, 1]), [-1, {fanIn}])",
                Map.of("a", a, "in", in, "k", kernel, "fanIn", fanIn()));
    }

    long fanIn() {
        return in * kernel * kernel;
    }

    @Override
    public String across(String x) {
        return "torch.reshape(%s, [-1, 1, 1])".formatted(x);
    }

    @Override
    public String dimensionsOfAnOutput() {
        return "[0, 2, 3]";
    }

    @Override
    public LowRankText lowRank(DeltaForm.LowRank form) {
        return new LowRankConvolutionText(this, form);
    }

    @Override
    public HadamardText hadamard(DeltaForm.Hadamard form) {
        return new HadamardConvolutionText(this, form);
    }

    @Override
    public KroneckerText kronecker(DeltaForm.Kronecker form) {
        return new KroneckerConvolutionText(this, form);
    }
}
