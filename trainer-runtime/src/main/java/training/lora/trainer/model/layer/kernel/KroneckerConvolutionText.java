package training.lora.trainer.model.layer.kernel;

import java.util.Map;
import training.lora.trainer.tensor.Template;

/** A LoKr beside a convolution: w2 convolves the M parts of the source as the projection does. All pictures lie channels last. */
record KroneckerConvolutionText(ConvolutionText map, DeltaForm.Kronecker form) implements KroneckerText {
    @Override
    public long n() {
        return map.in() / form.m();
    }

    private String weight() {
        return Template.fill(
                "torch.contiguous(torch.reshape(ks{i}, [{k}, {n}, {side}, {side}]), memory_format=2)",
                Map.of("i", map.i(), "k", form.k(), "n", n(), "side", map.kernel()));
    }

    @Override
    public String parts() {
        return fill("""
                kx{i}_r = torch.reshape(torch.permute({s}, [0, 2, 3, 1]), [torch.size({s}, 0), torch.size({s}, 2), torch.size({s}, 3), {m}, {n}])
                kx{i}_m = torch.reshape(torch.permute(kx{i}_r, [3, 0, 1, 2, 4]), [-1, torch.size({s}, 2), torch.size({s}, 3), {n}])
                kx{i} = torch.permute(kx{i}_m, [0, 3, 1, 2])
                """)
                + "kz%d_c = torch.conv2d(kx%1$d, %s, None, %s, 1)\n".formatted(map.i(), weight(), map.geometry())
                + fill("kz{i} = torch.reshape(torch.permute(kz{i}_c, [0, 2, 3, 1]), [{m}, -1])\n");
    }

    @Override
    public String result(String x, String like) {
        return Template.fill(
                "torch.permute(torch.reshape({x}, [torch.size({y}, 0), torch.size({y}, 2), torch.size({y}, 3), -1]), [0, 3, 1, 2])",
                Map.of("x", x, "y", like));
    }

    @Override
    public String rows(String dy) {
        return fill("torch.reshape(torch.permute(%s, [0, 2, 3, 1]), [-1, {out}])".formatted(dy));
    }

    @Override
    public String partGradients(String dy) {
        return fill("""
                kv{i}_r = torch.reshape(kv{i}, [-1, torch.size(%1$s, 2), torch.size(%1$s, 3), {k}])
                kv{i}_c = torch.permute(kv{i}_r, [0, 3, 1, 2])
                """.formatted(dy))
                + "ke%1$d, kh%1$d_w, kh%1$d_b = torch.convolution_backward(kv%1$d_c, kx%1$d, %2$s, [0], %3$s, False, [0, 0], 1, [True, True, False])\n"
                        .formatted(map.i(), weight(), map.geometry())
                + fill("kh{i} = torch.reshape(kh{i}_w, [{k}, -1])\n");
    }

    @Override
    public String sourceGradient(String ds, String dy) {
        return Template.fill(
                """
                ke{i}_r = torch.reshape(torch.permute(ke{i}, [0, 2, 3, 1]), [{m}, -1, torch.size(ke{i}, 2), torch.size(ke{i}, 3), {n}])
                ke{i}_s = torch.reshape(torch.permute(ke{i}_r, [1, 2, 3, 0, 4]), [-1, torch.size(ke{i}, 2), torch.size(ke{i}, 3), {in}])
                {ds}_d = torch.add_({ds}, torch.permute(ke{i}_s, [0, 3, 1, 2]), alpha={scale})
                """,
                Map.of("i", map.i(), "ds", ds, "m", form.m(), "n", n(), "in", form.m() * n(), "scale", form.scale()));
    }
}
