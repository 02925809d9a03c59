package training.lora.local.kubelet;

import java.util.List;
import java.util.Map;

/**
 * What stands for an image.
 *
 * @param command its entry point, on this machine
 * @param environment the variables that a container has by it, which a pod's own override
 */
public record Image(List<String> command, Map<String, String> environment) {
    public Image {
        command = List.copyOf(command);
        environment = Map.copyOf(environment);
    }

    /** With an entry point alone. */
    public static Image of(String... command) {
        return new Image(List.of(command), Map.of());
    }
}
