package training.lora.trainer.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.tensor.TorchScript;

/**
 * ResnetBlock2D of diffusers: (B, in, H, W) to (B, out, H, W); y = skip(x) + conv2(silu(norm2(conv1(silu(norm1(x))) +
 * time))).
 */
final class ResnetBlock {
    private final TorchScript function;
    private final List<Parameter> weights = new ArrayList<>();

    /** @param timeWidth width of the time embedding; 0 for none, as in an autoencoder */
    ResnetBlock(ParameterSet parameters, String path, long in, long out, long timeWidth, int groups, double eps) {
        List<String> inputs = new ArrayList<>(List.of("x"));
        List<String> body = new ArrayList<>();
        add(inputs, "n1", parameters.withBias(path + ".norm1", in));
        add(inputs, "c1", parameters.withBias(path + ".conv1", out, in, 3, 3));
        body.add("h = torch.group_norm(x, %d, n1w, n1b, %s)".formatted(groups, eps));
        body.add("h0 = torch.conv2d(torch.silu(h), c1w, c1b, [1, 1], [1, 1], [1, 1], 1)");
        if (timeWidth > 0) {
            inputs.add(1, "t");
            add(inputs, "tp", parameters.withBias(path + ".time_emb_proj", out, timeWidth));
            body.add("t0 = torch.linear(torch.silu(t), tpw, tpb)");
            body.add("h1 = torch.add(h0, torch.unsqueeze(torch.unsqueeze(t0, -1), -1))");
        } else {
            body.add("h1 = h0");
        }
        add(inputs, "n2", parameters.withBias(path + ".norm2", out));
        add(inputs, "c2", parameters.withBias(path + ".conv2", out, out, 3, 3));
        body.add("h2 = torch.silu(torch.group_norm(h1, %d, n2w, n2b, %s))".formatted(groups, eps));
        body.add("h3 = torch.conv2d(h2, c2w, c2b, [1, 1], [1, 1], [1, 1], 1)");
        if (in != out) {
            add(inputs, "s", parameters.withBias(path + ".conv_shortcut", out, in, 1, 1));
            body.add("return torch.add(h3, torch.conv2d(x, sw, sb, [1, 1], [0, 0], [1, 1], 1))");
        } else {
            body.add("return torch.add(h3, x)");
        }
        function = TorchScript.compile(inputs, body, 1);
    }

    private void add(List<String> inputs, String prefix, Parameter[] weightAndBias) {
        inputs.add(prefix + "w");
        inputs.add(prefix + "b");
        weights.addAll(List.of(weightAndBias));
    }

    /** @param time time embedding (B, timeWidth), null where the block has none */
    NDArray forward(NDManager manager, NDArray x, @Nullable NDArray time) {
        List<NDArray> inputs = new ArrayList<>(List.of(x));
        if (time != null) {
            inputs.add(time);
        }
        weights.forEach(w -> inputs.add(w.array()));
        return function.call(manager, inputs.toArray(NDArray[]::new));
    }
}
