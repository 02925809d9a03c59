package training.lora.trainer.source;

import java.io.IOException;

/**
 * Where files are fetched from; a class for each scheme of a uri, which {@link Schemes} knows by its name. A new one says
 * what there is ({@link #list}) and how its bytes are read ({@link RemoteFile.Content}); limits, retries, resuming, digests
 * and the cache are the same for all.
 */
public interface Scheme extends AutoCloseable {
    /**
     * Asks what {@code source} names today and which of its files are needed for its use; reads no content that is worth
     * keeping.
     *
     * @throws TransientException if a later try may help
     * @throws training.lora.trainer.TrainerException if none will: InvalidConfiguration for a place, Secret or permission
     *     that must be corrected, {@link Use#invalid} where what is there is of another kind
     */
    Listing list(Source source) throws IOException;

    /** Whether {@code source} names the same content forever, so that what was fetched once is not asked for again. */
    default boolean fixed(Source source) {
        return source.sha256() != null;
    }

    /** Ends its connections. */
    @Override
    default void close() throws IOException {}
}
