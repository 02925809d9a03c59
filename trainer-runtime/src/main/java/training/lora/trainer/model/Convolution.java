package training.lora.trainer.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import training.lora.trainer.tensor.TorchScript;

/** A convolution with bias, by itself or with what stands directly before it: (B, in, H, W) to (B, out, H', W'). */
final class Convolution {
    private final TorchScript function;
    private final Parameter[] weights;

    private Convolution(TorchScript function, Parameter... weights) {
        this.function = function;
        this.weights = weights;
    }

    static Convolution plain(ParameterSet parameters, String path, long in, long out, int kernel, int padding) {
        return new Convolution(
                TorchScript.compile(
                        "x, w, b", "return torch.conv2d(x, w, b, [1, 1], [%1$d, %1$d], [1, 1], 1)".formatted(padding)),
                parameters.withBias(path, out, in, kernel, kernel));
    }

    /** Halves height and width. {@code padding} 0 pads right and below only, as the autoencoder does. */
    static Convolution down(ParameterSet parameters, String path, long channels, int padding) {
        String padded = padding == 0 ? "torch.constant_pad_nd(x, [0, 1, 0, 1], 0)" : "x";
        return new Convolution(
                TorchScript.compile(
                        "x, w, b",
                        "return torch.conv2d(%1$s, w, b, [2, 2], [%2$d, %2$d], [1, 1], 1)".formatted(padded, padding)),
                parameters.withBias(path, channels, channels, 3, 3));
    }

    /** Doubles height and width (nearest neighbour), then convolves. */
    static Convolution up(ParameterSet parameters, String path, long channels) {
        return new Convolution(
                TorchScript.compile("x, w, b", """
                        h = torch.upsample_nearest2d(x, [torch.mul(torch.size(x, 2), 2), torch.mul(torch.size(x, 3), 2)], None, None)
                        return torch.conv2d(h, w, b, [1, 1], [1, 1], [1, 1], 1)
                        """), parameters.withBias(path, channels, channels, 3, 3));
    }

    /** Group norm and SiLU, then convolves. */
    static Convolution normed(
            ParameterSet parameters, String norm, String path, long in, long out, int groups, double eps) {
        Parameter[] n = parameters.withBias(norm, in);
        Parameter[] c = parameters.withBias(path, out, in, 3, 3);
        return new Convolution(
                TorchScript.compile("x, nw, nb, w, b", """
                        h = torch.silu(torch.group_norm(x, %d, nw, nb, %s))
                        return torch.conv2d(h, w, b, [1, 1], [1, 1], [1, 1], 1)
                        """.formatted(groups, eps)), n[0], n[1], c[0], c[1]);
    }

    NDArray forward(NDManager manager, NDArray x) {
        NDArray[] inputs = new NDArray[weights.length + 1];
        inputs[0] = x;
        for (int i = 0; i < weights.length; i++) {
            inputs[i + 1] = weights[i].array();
        }
        return function.call(manager, inputs);
    }
}
