package training.lora.trainer.model.layer.kernel;

import java.util.Map;
import training.lora.trainer.tensor.Template;

/** A LoHa beside a convolution; {@code hei} (B, in, H, W) is the source's gradient without the scale. */
record HadamardConvolutionText(ConvolutionText map, DeltaForm.Hadamard form) implements HadamardText {
    private String weight() {
        return Template.fill(
                "torch.contiguous(torch.reshape(hp{i}, [{out}, {in}, {k}, {k}]), memory_format=2)",
                Map.of("i", map.i(), "out", map.out(), "in", map.in(), "k", map.kernel()));
    }

    @Override
    public String apply() {
        return Template.fill(
                "y{i}_ = torch.add_(y{i}, torch.conv2d({s}, {w}, None, {geometry}, 1), alpha={scale})\n",
                Map.of(
                        "i",
                        map.i(),
                        "s",
                        map.source(),
                        "w",
                        weight(),
                        "geometry",
                        map.geometry(),
                        "scale",
                        form.scale()));
    }

    @Override
    public String gradient(String dy) {
        return Template.fill(
                """
                he{i}, hg{i}_w, hg{i}_b = torch.convolution_backward({dy}, {s}, {w}, [0], {geometry}, False, [0, 0], 1, [True, True, False])
                hg{i} = torch.reshape(hg{i}_w, [{out}, {fanIn}])
                """,
                Map.of(
                        "i",
                        map.i(),
                        "dy",
                        dy,
                        "s",
                        map.source(),
                        "w",
                        weight(),
                        "geometry",
                        map.geometry(),
                        "out",
                        map.out(),
                        "fanIn",
                        map.fanIn()));
    }

    @Override
    public String sourceGradient(String ds, String dy) {
        return Template.fill(
                "{ds}_d = torch.add_({ds}, he{i}, alpha={scale})\n",
                Map.of("i", map.i(), "ds", ds, "scale", form.scale()));
    }
}
