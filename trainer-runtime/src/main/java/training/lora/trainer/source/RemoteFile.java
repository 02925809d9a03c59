package training.lora.trainer.source;

import io.soabase.recordbuilder.core.RecordBuilder;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import org.jspecify.annotations.Nullable;

/**
 * A file that can be fetched.
 *
 * @param path below the folder that its source names, with slashes; of a single file its name
 * @param size its bytes; negative where that is unknown
 * @param identity names this very content among all that there is, as in "git-blob:c0ffee" or "https://host/file etag";
 *     the cache remembers its digest by it. Null where nothing tells this content from another: it is fetched each time
 * @param sha256 what its digest must be, hex; null if unknown
 * @param gitBlob what its name as git's object must be, hex sha1; null if unknown
 * @param content reads it
 */
@RecordBuilder
public record RemoteFile(
        String path,
        Long size,
        Content content,
        @Nullable String identity,
        @Nullable String sha256,
        @Nullable String gitBlob) {
    /** Identity of the content of a digest. */
    public static String ofSha256(String sha256) {
        return "sha256:" + sha256;
    }

    /** Reads the bytes of a file. */
    @FunctionalInterface
    public interface Content {
        /**
         * Opens what comes at {@code offset} and after it.
         *
         * @throws TransientException if a later try may help; so does any other IOException while the stream is read
         */
        Opened open(long offset) throws IOException;

        /**
         * Gives up where the bytes come from, which are wrong or can't be read, if they come from anywhere else as well; false
         * if not.
         */
        default boolean elsewhere() {
            return false;
        }
    }

    /**
     * Bytes that come.
     *
     * @param in the bytes; its IOExceptions are those of a cut connection
     * @param offset where they begin: what was asked for, or 0 where the server can't begin elsewhere or holds another
     *     content by now
     * @param size of the whole file; negative if unknown
     * @param version tells the content from another one under the same name, as an ETag does; null where nothing does
     */
    public record Opened(
            InputStream in,
            long offset,
            long size,
            @Nullable String version) implements Closeable {
        @Override
        public void close() throws IOException {
            in.close();
        }
    }
}
