package training.lora.trainer.tensor;

import java.nio.file.Path;

/**
 * Where a tensor's bytes are.
 *
 * @param file that holds it, of several one
 * @param position of its first byte, from the file's start
 * @param entry its type and shape
 */
public record TensorLocation(Path file, long position, SafeTensors.Entry entry) {}
