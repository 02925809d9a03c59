package training.lora.trainer.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.List;
import training.lora.trainer.tensor.TorchScript;

/** Transformer2DModel of diffusers: pixels (B, C, H, W) as tokens (B, H W, C) through transformer blocks, and back. */
final class SpatialTransformer {
    private static final double NORM_EPS = 1e-6;

    private final Parameter[] norm;
    private final Parameter[] in;
    private final Parameter[] out;
    private final TorchScript enter;
    private final TorchScript leave;
    private final List<TransformerBlock> blocks = new ArrayList<>();

    SpatialTransformer(
            ParameterSet parameters,
            List<Projection> projections,
            String path,
            long width,
            long context,
            int heads,
            int layers,
            int groups,
            boolean linear) {
        norm = parameters.withBias(path + ".norm", width);
        // A 1x1 convolution is a linear map over tokens: the same weights in either shape.
        long[] shape = linear ? new long[] {width, width} : new long[] {width, width, 1, 1};
        in = parameters.withBias(path + ".proj_in", shape);
        for (int i = 0; i < layers; i++) {
            String block = path + ".transformer_blocks." + i;
            blocks.add(new TransformerBlock(parameters, projections, block, width, context, heads));
        }
        out = parameters.withBias(path + ".proj_out", shape);
        enter = TorchScript.compile("x, nw, nb, w, b", """
                n = torch.group_norm(x, %1$d, nw, nb, %2$s)
                t = torch.reshape(torch.permute(n, [0, 2, 3, 1]), [torch.size(x, 0), -1, %3$d])
                return torch.linear(t, torch.reshape(w, [%3$d, %3$d]), b)
                """.formatted(groups, NORM_EPS, width));
        leave = TorchScript.compile("t, x, w, b", """
                y = torch.linear(t, torch.reshape(w, [%1$d, %1$d]), b)
                p = torch.reshape(y, [torch.size(x, 0), torch.size(x, 2), torch.size(x, 3), %1$d])
                return torch.add(torch.contiguous(torch.permute(p, [0, 3, 1, 2])), x)
                """.formatted(width));
    }

    NDArray forward(NDManager manager, NDArray x, NDArray context, ProjectionDeltas deltas) {
        NDArray tokens =
                enter.call(manager, x, norm[0].array(), norm[1].array(), in[0].array(), in[1].array()); // (B, H W, C)
        for (TransformerBlock block : blocks) {
            NDArray next = block.forward(manager, tokens, context, deltas);
            tokens.close();
            tokens = next;
        }
        NDArray y = leave.call(manager, tokens, x, out[0].array(), out[1].array()); // (B, C, H, W)
        tokens.close();
        return y;
    }
}
