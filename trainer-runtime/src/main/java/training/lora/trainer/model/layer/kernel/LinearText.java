package training.lora.trainer.model.layer.kernel;

import java.util.Map;
import training.lora.trainer.tensor.Template;

/** A frozen linear map y = s W^T (+ bias) over rows: s (N, in), W (out, in), y (N, out). */
record LinearText(int i, String source) implements FrozenText {
    @Override
    public String forward(String bias) {
        return Template.fill(
                bias.isEmpty()
                        ? "y{i} = torch.mm({s}, torch.t(w{i}))\n"
                        : "y{i} = torch.addmm({bias}, {s}, torch.t(w{i}))\n",
                Map.of("i", i, "s", source, "bias", bias));
    }

    @Override
    public String sourceGradient(String ds, String dy) {
        return Template.fill("{ds} = torch.mm({dy}, w{i})\n", Map.of("i", i, "ds", ds, "dy", dy));
    }

    @Override
    public String addSourceGradient(String ds, String dy) {
        return Template.fill(
                "{ds}_{i} = torch.addmm_({ds}, {dy}, w{i}, beta=1, alpha=1)\n", Map.of("i", i, "ds", ds, "dy", dy));
    }

    @Override
    public String rows(String w) {
        return w;
    }

    @Override
    public String rowsOfA(String a) {
        return a;
    }

    @Override
    public String across(String x) {
        return x;
    }

    @Override
    public String dimensionsOfAnOutput() {
        return "[0]";
    }

    @Override
    public LowRankText lowRank(DeltaForm.LowRank form) {
        return new LowRankLinearText(this, form);
    }

    @Override
    public HadamardText hadamard(DeltaForm.Hadamard form) {
        return new HadamardLinearText(this, form);
    }

    @Override
    public KroneckerText kronecker(DeltaForm.Kronecker form) {
        return new KroneckerLinearText(this, form);
    }
}
