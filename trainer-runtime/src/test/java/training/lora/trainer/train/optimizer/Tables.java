package training.lora.trainer.train.optimizer;

import ai.djl.ndarray.types.Shape;
import java.util.List;
import training.lora.api.OptimizerSpec;

/** Tables of made-up parameters. */
final class Tables {
    private Tables() {}

    /** One tensor of the denoiser and behind it, from {@code textOffset}, one of a text encoder, at the rates of settings. */
    static ParameterTable withText(long size, long textOffset, OptimizerSpec settings) {
        ParameterGroup denoiser = ParameterGroup.of(settings);
        ParameterGroup text = ParameterGroupBuilder.builder(denoiser)
                .factor(settings.textEncoderFactor())
                .build();
        return new ParameterTable(
                List.of(
                        new ParameterTensor("unet", 0, new Shape(textOffset), 0),
                        new ParameterTensor(
                                "text", textOffset, new Shape(size - textOffset), text.equals(denoiser) ? 0 : 1)),
                text.equals(denoiser) ? List.of(denoiser) : List.of(denoiser, text));
    }
}
