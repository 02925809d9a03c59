package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.BiFunction;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/** Serves {@code pods/NAME/log} from the file that the pod's runner writes. */
final class LogHandler {
    private static final long POLL_MILLIS = 100;

    private final Store store;
    private final BiFunction<String, String, @Nullable Path> files;
    private final BooleanSupplier closed;

    LogHandler(Store store, BiFunction<String, String, @Nullable Path> files, BooleanSupplier closed) {
        this.store = store;
        this.files = files;
        this.closed = closed;
    }

    /** Sends the log, and, if asked to follow, what is added until the pod has ended. */
    void serve(Request request, ResourceHandler.Target pod) throws IOException {
        if (store.get(pod.key()) == null) {
            throw ApiException.notFound(pod.resource(), pod.name());
        }
        Path file = files.apply(pod.namespace(), pod.name());
        if (file == null || !Files.exists(file)) {
            throw ApiException.badRequest(
                    "the container in pod \"" + pod.name() + "\" is waiting to start: it has no log yet");
        }
        long skipped = beforeTail(file, request.number("tailLines", -1));
        request.exchange().getResponseHeaders().set("Content-Type", "text/plain");
        request.exchange().sendResponseHeaders(200, 0);
        try (OutputStream out = request.exchange().getResponseBody();
                InputStream log = Files.newInputStream(file)) {
            log.skipNBytes(skipped);
            boolean more = request.flag("follow");
            do {
                // Asked before the copy, so that what came last is still sent.
                more &= runs(pod.key()) && !closed.getAsBoolean();
                log.transferTo(out);
                out.flush();
                if (more) {
                    Thread.sleep(POLL_MILLIS);
                }
            } while (more);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private boolean runs(Store.Key pod) {
        ObjectNode object = store.get(pod);
        return object != null && BuiltInRules.runs(object);
    }

    /** How many bytes come before the last {@code lines} lines; negative: all lines are wanted. */
    private static long beforeTail(Path file, long lines) throws IOException {
        if (lines < 0) {
            return 0;
        }
        byte[] bytes = Files.readAllBytes(file);
        int at = bytes.length;
        // A line feed at the very end ends the last line and begins none.
        for (long left = lines; at > 0 && left > 0; left--) {
            at--;
            while (at > 0 && bytes[at - 1] != '\n') {
                at--;
            }
        }
        return at;
    }
}
