package training.lora.local.kubelet;

import java.nio.file.Path;
import java.util.Map;

/**
 * How the runner of pods is set up.
 *
 * @param dir where volumes, logs and pods' folders lie
 * @param images what stands for an image, by the image's name without tag
 * @param cpus how many CPUs pods may ask for in all
 * @param memoryBytes how much memory pods may ask for in all
 */
public record KubeletConfig(Path dir, Map<String, Image> images, int cpus, long memoryBytes) {
    public KubeletConfig {
        images = Map.copyOf(images);
    }
}
