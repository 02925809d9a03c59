package training.lora.trainer.model.layer;

import ai.djl.ndarray.NDArray;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.layer.kernel.ProjectionText;
import training.lora.trainer.model.layer.kernel.Snippets;
import training.lora.trainer.model.weights.ParameterSet;
import training.lora.trainer.model.weights.Weights;

/**
 * A layer's second half in CLIP, tokens (B, T, C): x + fc2(act(fc1(norm(x)))), with an adapter's part beside both maps. It
 * keeps x; what is between the maps is computed again on the way back.
 */
public final class ClipMlp extends AdaptedLayer {
    private final long width;
    private final double eps;
    private final Activation activation;
    private final Weights weights;

    /** What stands between the maps. */
    public enum Activation {
        /** m sigmoid(1.702 m), of OpenAI's CLIP. */
        QuickGelu,
        /** Of OpenCLIP's. */
        Gelu;

        /** Lines that make {@code s1} of {@code y0}. */
        private String forward() {
            return switch (this) {
                case QuickGelu -> "s1 = torch.mul(y0, torch.sigmoid(torch.mul(y0, 1.702)))\n";
                case Gelu -> "s1 = torch.gelu(y0)\n";
            };
        }

        /** Lines that make {@code e}, the gradient of {@code y0}, from {@code z}, that of {@code s1}. */
        private String backward() {
            return switch (this) {
                case QuickGelu -> """
                        q = torch.sigmoid(torch.mul(y0, 1.702))
                        t = torch.add(torch.mul(torch.mul(y0, 1.702), torch.rsub(q, 1.)), 1.)
                        e = torch.mul(torch.mul(t, q), z)
                        """;
                case Gelu -> "e = torch.gelu_backward(z, y0)\n";
            };
        }
    }

    /**
     * @param layer path of the weights
     * @param prefix of the projections' paths
     */
    public ClipMlp(ParameterSet parameters, String layer, String prefix, ClipSizes sizes) {
        super(List.of(
                Projection.linear(
                        prefix + layer + ".mlp.fc1", sizes.width(), sizes.inner(), Projection.Group.FeedForward),
                Projection.linear(
                        prefix + layer + ".mlp.fc2", sizes.inner(), sizes.width(), Projection.Group.FeedForward)));
        width = sizes.width();
        activation = sizes.activation();
        eps = sizes.eps();
        long inner = sizes.inner();
        weights = new Weights()
                .add("n", parameters.norm(layer + ".layer_norm2", width))
                .projection(0, parameters.withBias(layer + ".mlp.fc1", inner, width))
                .projection(1, parameters.withBias(layer + ".mlp.fc2", width, inner));
    }

    /**
     * B T = N tokens of width C, M of the inner width.
     *
     * <ul>
     *   <li>x (B, T, C), y (B, T, C) its result
     *   <li>n = norm(x), with nm and nr, in the backward m and r, (B, T, 1): mean and reciprocal deviation, kept
     *   <li>s0 (N, C): rows of n; y0 (N, M); s1 = act(y0) (N, M); y1 (N, C)
     *   <li>d, d1, z, e, dn: gradients of y, y1, s1, y0 and s0; k: of x by way of the norm
     * </ul>
     */
    @Override
    Kernels compile(Variant variant) {
        ProjectionText first = ProjectionText.remade(0, "s0", variant.form(0));
        ProjectionText second = ProjectionText.linear(1, "s1", variant.form(1));
        List<ProjectionText> p = List.of(first, second);
        String enter =
                Snippets.layerNorm("n", "x", "n", width, eps) + "\ns0 = torch.reshape(n, [-1, %d])\n".formatted(width);
        String leave = "y = torch.add_(torch.view_as(y1, x), x)\n";
        String backward = enter
                + first.again("c0")
                + (second.adapted() ? activation.forward() : "")
                + "d1 = torch.reshape(d, [-1, %d])\n".formatted(width)
                + second.arrayGradients("d1")
                + second.sourceGradient("z", "d1")
                + activation.backward()
                + first.arrayGradients("e")
                + first.sourceGradient("dn", "e")
                + Snippets.layerNormGradient("k", "torch.view_as(dn, x)", "x", "m", "r", "n", width);
        List<String> inputs = names(List.of("x"), ProjectionText.arrays(p));
        List<String> kept = ProjectionText.kept(p);
        return new Kernels(
                weights.kernel(
                        inputs,
                        enter + first.forward("c0") + activation.forward() + second.forward("c1") + leave,
                        List.of("y")),
                weights.kernel(
                        inputs,
                        enter + first.record("c0") + activation.forward() + second.record("c1") + leave,
                        names(List.of("y", "x", "nm", "nr"), kept)),
                weights.kernel(
                        names(List.of("d", "x", "m", "r"), kept, ProjectionText.arraysAndGradients(p)),
                        backward,
                        List.of("torch.add_(k, d)")));
    }

    @Override
    List<NDArray> inputs(Pass pass, NDArray x, @Nullable NDArray skip) {
        return List.of(x);
    }
}
