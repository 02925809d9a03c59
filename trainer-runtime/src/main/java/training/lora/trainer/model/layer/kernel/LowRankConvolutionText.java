package training.lora.trainer.model.layer.kernel;

import java.util.HashMap;
import java.util.Map;
import training.lora.trainer.tensor.Template;

/**
 * A low-rank delta beside a convolution, as kohya, LyCORIS and peft have it: A convolves as the projection does, A (r, in k
 * k), and B is a 1x1 convolution, B (out, r); u (B, r, H', W'), k (B, in, H, W).
 */
record LowRankConvolutionText(ConvolutionText map, DeltaForm.LowRank form) implements LowRankText {
    /** A as a convolution's weight, of the type of {@code like}. */
    private String downWeight(String like) {
        return Template.fill(
                "torch.type_as(torch.reshape(a{i}, [-1, {in}, {k}, {k}]), {like})",
                Map.of("i", map.i(), "in", map.in(), "k", map.kernel(), "like", like));
    }

    private String upWeight(String like) {
        return Template.fill(
                "torch.type_as(torch.reshape(b{i}, [{out}, -1, 1, 1]), {like})",
                Map.of("i", map.i(), "out", map.out(), "like", like));
    }

    @Override
    public String down(String seen) {
        return Template.fill(
                "u{i} = torch.conv2d({z}, {a}, None, {geometry}, 1)\n",
                Map.of("i", map.i(), "z", seen, "a", downWeight(seen), "geometry", map.geometry()));
    }

    @Override
    public String masked(String name, String m) {
        return Template.fill(
                "{x} = torch.mul({x}, torch.reshape(torch.type_as({m}, {x}), [torch.size({m}, 0), -1, 1, 1]))\n",
                Map.of("x", name, "m", m));
    }

    @Override
    public String up() {
        return Template.fill(
                "y{i}_ = torch.add_(y{i}, torch.conv2d(u{i}, {b}, None, [1, 1], [0, 0], [1, 1], 1), alpha={scale})\n",
                Map.of("i", map.i(), "b", upWeight("u" + map.i()), "scale", form.scale()));
    }

    /** Makes {@code ei} too, the gradient of z. */
    @Override
    public String arrayGradients(String dy) {
        Map<String, Object> values = new HashMap<>(Map.of("i", map.i(), "dy", dy, "b", upWeight(dy), "z", seenAgain()));
        values.put("a", downWeight("v" + map.i()));
        values.put("geometry", map.geometry());
        values.put("out", map.out());
        values.put("scale", form.scale());
        values.put("fanIn", map.fanIn());
        return Template.fill("""
                v{i}, gb{i}, gb{i}_ = torch.convolution_backward({dy}, u{i}, {b}, [0], [1, 1], [0, 0], [1, 1], False, [0, 0], 1, [True, True, False])
                """, values) + masked("v") + Template.fill("""
                e{i}, ga{i}, ga{i}_ = torch.convolution_backward(v{i}, {z}, {a}, [0], {geometry}, False, [0, 0], 1, [True, True, False])
                db{i}_ = torch.add_(db{i}, torch.reshape(gb{i}, [{out}, -1]), alpha={scale})
                da{i}_ = torch.add_(da{i}, torch.reshape(ga{i}, [-1, {fanIn}]), alpha={scale})
                """, values);
    }

    @Override
    public String sourceGradient(String ds, String dy) {
        return Template.fill(
                (dropping() ? "{ds}_m = torch.mul_(e{i}, k{i})\n" : "")
                        + "{ds}_d = torch.add_({ds}, e{i}, alpha={scale})\n",
                Map.of("i", map.i(), "ds", ds, "scale", sourceScale()));
    }
}
