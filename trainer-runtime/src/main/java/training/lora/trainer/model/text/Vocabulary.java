package training.lora.trainer.model.text;

import ai.djl.ndarray.NDArray;
import java.util.function.Function;
import training.lora.trainer.model.layer.Component;

/**
 * What a text encoder knows.
 *
 * @param encoder the part of the model
 * @param table embeddings of its tokens, (V, D), in the encoder's precision
 * @param tokens of a text, numbers of rows
 */
public record Vocabulary(Component encoder, NDArray table, Function<String, long[]> tokens) {}
