package training.lora.trainer.model.layer.kernel;

import java.util.Map;
import training.lora.trainer.tensor.Template;

/** A low-rank delta beside a linear map: A (r, in), B (out, r), u (N, r), k (N, in). */
record LowRankLinearText(LinearText map, DeltaForm.LowRank form) implements LowRankText {
    @Override
    public String down(String seen) {
        return Template.fill(
                "u{i} = torch.mm({z}, torch.t(torch.type_as(a{i}, {z})))\n", Map.of("i", map.i(), "z", seen));
    }

    @Override
    public String masked(String name, String m) {
        return Template.fill("""
                {x}_p = torch.mul(torch.reshape({x}, [torch.size({m}, 0), -1, torch.size({m}, 1)]), torch.unsqueeze(torch.type_as({m}, {x}), 1))
                {x} = torch.reshape({x}_p, [-1, torch.size({m}, 1)])
                """, Map.of("x", name, "m", m));
    }

    @Override
    public String up() {
        return Template.fill(
                "y{i}_ = torch.addmm_(y{i}, u{i}, torch.t(torch.type_as(b{i}, u{i})), beta=1, alpha={scale})\n",
                Map.of("i", map.i(), "scale", form.scale()));
    }

    @Override
    public String arrayGradients(String dy) {
        return Template.fill("v{i} = torch.mm({dy}, torch.type_as(b{i}, {dy}))\n", Map.of("i", map.i(), "dy", dy))
                + masked("v")
                + Template.fill("""
                db{i}_ = torch.add_(db{i}, torch.mm(torch.t({dy}), u{i}), alpha={scale})
                da{i}_ = torch.add_(da{i}, torch.mm(torch.t(v{i}), {z}), alpha={scale})
                """, Map.of("i", map.i(), "dy", dy, "z", seenAgain(), "scale", form.scale()));
    }

    @Override
    public String sourceGradient(String ds, String dy) {
        return Template.fill(
                dropping()
                        ? """
                        {ds}_v{i} = torch.mul_(torch.mm(v{i}, torch.type_as(a{i}, {dy})), k{i})
                        {ds}_d{i} = torch.add_({ds}, {ds}_v{i}, alpha={scale})
                        """
                        : "{ds}_d{i} = torch.addmm_({ds}, v{i}, torch.type_as(a{i}, {dy}), beta=1, alpha={scale})\n",
                Map.of("i", map.i(), "ds", ds, "dy", dy, "scale", sourceScale()));
    }
}
