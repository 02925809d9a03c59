package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Serves {@code pods/NAME/log} from the file that the pod's runner writes. */
final class LogHandler {
    private static final long POLL_MILLIS = 100;

    private final Store store;
    private final Function<PodRef, @Nullable Path> files;
    private final BooleanSupplier closed;

    LogHandler(Store store, Function<PodRef, @Nullable Path> files, BooleanSupplier closed) {
        this.store = store;
        this.files = files;
        this.closed = closed;
    }

    /** Sends the log, and, if asked to follow, what is added until the pod has ended. */
    void serve(Request request, Store.Key pod) throws IOException {
        ObjectNode object = store.get(pod);
        if (object == null) {
            throw ApiException.notFound("pods \"" + pod.name() + "\" not found");
        }
        Path file = files.apply(new PodRef(pod.namespace(), pod.name(), request.query("container")));
        if (file == null || !Files.exists(file)) {
            throw ApiException.badRequest("container \""
                    + object.at("/spec/containers/0/name").asText() + "\" in pod \"" + pod.name()
                    + "\" is waiting to start: it has no log yet");
        }
        request.exchange().getResponseHeaders().set("Content-Type", "text/plain");
        request.exchange().sendResponseHeaders(200, 0);
        try (OutputStream out = request.exchange().getResponseBody();
                RandomAccessFile log = new RandomAccessFile(file.toFile(), "r")) {
            String tail = request.query("tailLines");
            if (!tail.isEmpty()) {
                log.seek(startOfTail(log, Long.parseLong(tail)));
            }
            copy(log, out);
            while (request.flag("follow") && !closed.getAsBoolean()) {
                // Asked before the copy, so that what came last is still sent.
                boolean ended = hasEnded(pod);
                copy(log, out);
                if (ended) {
                    return;
                }
                Thread.sleep(POLL_MILLIS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private boolean hasEnded(Store.Key pod) {
        ObjectNode object = store.get(pod);
        return object == null || !BuiltInRules.runs(object);
    }

    private static void copy(RandomAccessFile log, OutputStream out) throws IOException {
        byte[] buffer = new byte[8192];
        for (int n = log.read(buffer); n > 0; n = log.read(buffer)) {
            out.write(buffer, 0, n);
        }
        out.flush();
    }

    private static long startOfTail(RandomAccessFile log, long lines) throws IOException {
        long position = log.length();
        long seen = 0;
        while (position > 0) {
            log.seek(position - 1);
            // A line feed at the very end ends the last line and begins none.
            if (log.read() == '\n' && position < log.length() && ++seen == lines) {
                return position;
            }
            position--;
        }
        return lines == 0 ? log.length() : 0;
    }
}
