package training.lora.trainer.source;

import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Where the files of remote sources are on this machine. */
public interface Remote extends Closeable {
    /**
     * The file or folder that was fetched of {@code source}.
     *
     * @throws training.lora.trainer.TrainerException if it isn't there and can't be fetched
     */
    Path path(Source source);

    /** The same where it is here already; null where it isn't. */
    @Nullable Path fetched(Source source);

    /** The folder that no link below what was fetched may lead out of. */
    Path root();

    /**
     * What tells today's content of {@code source} from another, see {@link Listing#fingerprint}; null where nothing does.
     *
     * @throws training.lora.trainer.TrainerException if it can't be asked
     */
    @Nullable String fingerprint(Source source);

    /** What people should know of what was fetched, a sentence each. */
    default List<String> notes() {
        return List.of();
    }

    /** Ends its connections, if it has any. */
    @Override
    default void close() throws IOException {}
}
