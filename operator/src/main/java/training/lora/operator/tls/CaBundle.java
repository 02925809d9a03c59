package training.lora.operator.tls;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * The platform's authorities, such as a proxy's, from a file that is read anew each time: a kubelet brings it up to date.
 *
 * @param file null: there are none
 */
record CaBundle(@Nullable String file) {
    /** Its name in the ConfigMap. */
    static final String FILE = "bundle.crt";

    /** The certificates; empty where there are none. */
    String read() {
        if (file == null) {
            return "";
        }
        try {
            String pem = Files.readString(Path.of(file));
            Credential.certificates(pem);
            return pem;
        } catch (IOException e) {
            throw new UncheckedIOException("`lora.sources.ca-bundle` must name a PEM file, was " + file, e);
        } catch (IllegalArgumentException e) {
            throw new IllegalStateException(
                    "`lora.sources.ca-bundle` must name a file of PEM certificates, and %s is none: %s"
                            .formatted(file, e.getMessage()),
                    e);
        }
    }
}
