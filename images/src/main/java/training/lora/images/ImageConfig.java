package training.lora.images;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * How a container of an image is started.
 *
 * @param environment name to value, in the order in which it is written
 * @param entrypoint program and first arguments; what a pod has as {@code args} comes after them
 * @param labels of the image, as OCI names them
 */
record ImageConfig(Map<String, String> environment, List<String> entrypoint, Map<String, String> labels) {
    /** A user of no name and no rights. Any other works as well: nothing in an image belongs to it. */
    static final String USER = "65532:65532";

    /** The only folder that must be writable. */
    static final String HOME = "/tmp";

    ImageConfig {
        environment = Collections.unmodifiableMap(new LinkedHashMap<>(environment));
        entrypoint = List.copyOf(entrypoint);
        labels = Collections.unmodifiableMap(new LinkedHashMap<>(labels));
    }
}
