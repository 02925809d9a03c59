package training.lora.trainer.export;

import training.lora.trainer.model.Component;

/**
 * What the name of a tensor in an adapter's file means.
 *
 * @param component the part of the model
 * @param path the module's path in it, in diffusers' names
 * @param part what of the module it is
 */
record TensorName(Component component, String path, Part part) {
    /** Of a module: A, B and the scale. */
    enum Part {
        Down,
        Up,
        Alpha
    }
}
