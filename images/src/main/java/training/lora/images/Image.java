package training.lora.images;

import java.nio.file.Path;
import java.util.List;

/**
 * An image, laid out and described.
 *
 * @param name as {@code lora-operator}; of its archive too
 * @param reference repository and tag by which nodes know it
 * @param config how it is started
 * @param layers from that which changes least
 * @param sbom the file with what it is made of
 */
record Image(String name, String reference, ImageConfig config, List<Layer> layers, Path sbom) {
    Image {
        layers = List.copyOf(layers);
    }
}
