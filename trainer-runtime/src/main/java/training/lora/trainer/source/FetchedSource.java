package training.lora.trainer.source;

import io.soabase.recordbuilder.core.RecordBuilder;
import org.jspecify.annotations.Nullable;

/**
 * What was fetched of a source.
 *
 * @param use what for
 * @param uri what the spec named, without what may be secret
 * @param key tells it from the other sources of a run
 * @param version what it was resolved to: a commit, an ETag, a version's id; null where nothing said so
 * @param fingerprint the same for the same content, as far as that can be told without fetching it; null where it can't
 * @param digest of a file its sha256, hex; of a folder that over its files' names and digests
 * @param path the file or folder, below the cache's folder
 * @param files how many
 * @param bytes in all
 */
@RecordBuilder
public record FetchedSource(
        Use use,
        String uri,
        String key,
        String digest,
        String path,
        Integer files,
        Long bytes,
        @Nullable String version,
        @Nullable String fingerprint) {}
