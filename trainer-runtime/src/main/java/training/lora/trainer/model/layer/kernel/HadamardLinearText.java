package training.lora.trainer.model.layer.kernel;

import java.util.Map;
import training.lora.trainer.tensor.Template;

/** A LoHa beside a linear map. */
record HadamardLinearText(LinearText map, DeltaForm.Hadamard form) implements HadamardText {
    @Override
    public String apply() {
        return Template.fill(
                "y{i}_ = torch.addmm_(y{i}, {s}, torch.t(hp{i}), beta=1, alpha={scale})\n",
                Map.of("i", map.i(), "s", map.source(), "scale", form.scale()));
    }

    @Override
    public String gradient(String dy) {
        return Template.fill(
                "hg{i} = torch.mm(torch.t({dy}), {s})\n", Map.of("i", map.i(), "dy", dy, "s", map.source()));
    }

    @Override
    public String sourceGradient(String ds, String dy) {
        return Template.fill(
                "{ds}_d{i} = torch.addmm_({ds}, {dy}, hp{i}, beta=1, alpha={scale})\n",
                Map.of("i", map.i(), "ds", ds, "dy", dy, "scale", form.scale()));
    }
}
