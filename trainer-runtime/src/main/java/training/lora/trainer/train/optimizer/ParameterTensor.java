package training.lora.trainer.train.optimizer;

import ai.djl.ndarray.types.Shape;

/**
 * A tensor in an optimizer's flat array of parameters.
 *
 * @param name what it is called in states of its own and in messages, such as {@code unet.conv_in.Down}
 * @param offset where it begins in the array
 * @param shape its own shape, row by row in the array; optimizers that keep rows and columns factor its last two axes
 * @param group the index of its group in the table
 */
public record ParameterTensor(String name, long offset, Shape shape, int group) {
    /** Behind its last number in the array. */
    long end() {
        return offset + shape.size();
    }
}
