package training.lora.trainer.prepare;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Follows links one by one. The JDK has no exception of its own for links in a circle or for a file in a folder's place: it
 * tells them from a failing disk by a sentence in the system's language only.
 */
final class LinkWalk {
    /** As many as Linux follows. */
    private static final int MOST = 40;

    private int followed;

    /** Whether {@code path} leads in a circle or below a file, so that nothing can be there. */
    boolean endsNowhere(Path path) throws IOException {
        Path parent = path.getParent();
        if (parent != null && (Files.isRegularFile(parent) || endsNowhere(parent))) {
            return true;
        }
        if (!Files.isSymbolicLink(path)) {
            return false;
        }
        followed++;
        return followed > MOST || endsNowhere(path.resolveSibling(Files.readSymbolicLink(path)));
    }
}
