package training.lora.trainer.model;

import ai.djl.ndarray.NDManager;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.model.layer.WeightGradients;
import training.lora.trainer.model.text.TrainedTextEncoder;
import training.lora.trainer.model.weights.Parameter;

/** The way through text encoders whose own weights are trained. They are the same, in the same arrays. */
public final class TrainedPrompts {
    private final PromptEncoder prompts;
    private final Map<Component, TrainedTextEncoder> encoders = new LinkedHashMap<>();

    public TrainedPrompts(PromptEncoder prompts) {
        this.prompts = prompts;
        prompts.parts()
                .forEach(part -> encoders.put(
                        part.encoder().component(), new TrainedTextEncoder(part.encoder(), prompts.clipSkip())));
    }

    /** The text encoders themselves. */
    public PromptEncoder prompts() {
        return prompts;
    }

    /** The weights of each layer of each encoder, as {@link WeightGradients} gets their gradients. */
    public Map<Component, List<List<Parameter>>> layers() {
        Map<Component, List<List<Parameter>>> layers = new EnumMap<>(Component.class);
        encoders.forEach((component, encoder) -> layers.put(component, encoder.layers()));
        return layers;
    }

    /**
     * Embeds {@code texts} and keeps what a way back needs; all that is made belongs to {@code scope}.
     *
     * @param taker takes the gradients of weights on the way back
     */
    public PromptEncoder.Recording record(NDManager scope, List<String> texts, WeightGradients taker) {
        return prompts.new Recording(scope, part -> Objects.requireNonNull(
                        encoders.get(part.encoder().component()))
                .record(
                        scope,
                        prompts.tokens(part, texts, ProjectionDeltas.NONE),
                        part.tokenizer().end(),
                        taker));
    }
}
