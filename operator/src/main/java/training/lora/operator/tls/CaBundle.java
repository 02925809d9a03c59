package training.lora.operator.tls;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.operator.plan.Backoff;

/**
 * The platform's authorities, such as a proxy's, from a file that is read anew each time: a kubelet brings it up to date. One
 * that is malformed or missing stops no training: the last good one stays.
 */
final class CaBundle {
    /** Its name in the ConfigMap. */
    static final String FILE = "bundle.crt";

    /** Instead of certificates where there never were good ones: trainers read a comment alone as none. */
    static final String NONE = "# `sources.caBundle` has no certificates\n";

    private static final Logger LOG = LoggerFactory.getLogger(CaBundle.class);

    /** Between two lines of the log. */
    private static final Backoff BACKOFF = new Backoff(Duration.ofSeconds(30), Duration.ofHours(1));

    private final @Nullable String file;
    private final Clock clock;
    private String good = NONE;
    private int lines;
    private Instant silent = Instant.MIN;

    /** {@code file}: null: there are none. */
    CaBundle(@Nullable String file, Clock clock) {
        this.file = file;
        this.clock = clock;
    }

    /** The certificates; empty where there are to be none, {@link #NONE} where there are none yet. */
    synchronized String read() {
        if (file == null) {
            return "";
        }
        try {
            String pem = Files.readString(Path.of(file));
            Credential.certificates(pem);
            if (lines > 0) {
                LOG.info("`sources.caBundle` ({}) can be read again", file);
            }
            good = pem;
            lines = 0;
            silent = Instant.MIN;
        } catch (IOException e) {
            tell("is missing (" + e + ")");
        } catch (IllegalArgumentException e) {
            tell("is none: " + e.getMessage());
        }
        return good;
    }

    private void tell(String what) {
        Instant now = clock.instant();
        if (!now.isBefore(silent)) {
            silent = now.plus(BACKOFF.after(++lines));
            LOG.error(
                    "`sources.caBundle` must name a ConfigMap whose ca.crt has certificates in PEM, but {} {}; pods are told {}",
                    file,
                    what,
                    good.equals(NONE) ? "what they were told before, or none" : "the last good ones");
        }
    }
}
