package training.lora.local.kubelet;

import io.fabric8.kubernetes.api.model.PersistentVolumeClaim;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Folders for claims: {@code <volumes>/<namespace>/<claim>}, or, for a claim with the annotation
 * {@value #FOLDER}, the folder of this machine that it names.
 */
final class Claims {
    static final String FOLDER = "local.lora.training/folder";

    private final Path volumes;

    Claims(Path volumes) {
        this.volumes = volumes;
    }

    /** The claim's folder, which is made if it is the cluster's own. */
    Path bind(PersistentVolumeClaim claim) throws IOException {
        String named = claim.getMetadata().getAnnotations().get(FOLDER);
        return named != null ? Path.of(named) : Files.createDirectories(own(claim));
    }

    /** Removes what the cluster made for a claim that is gone. */
    void release(PersistentVolumeClaim claim) throws IOException {
        if (!claim.getMetadata().getAnnotations().containsKey(FOLDER)) {
            Folders.delete(own(claim));
        }
    }

    private Path own(PersistentVolumeClaim claim) {
        return volumes.resolve(claim.getMetadata().getNamespace())
                .resolve(claim.getMetadata().getName());
    }
}
