package training.lora.trainer.source;

import org.jspecify.annotations.Nullable;

/**
 * A file of a repository of the Hub.
 *
 * @param path in the repository
 * @param size its bytes
 * @param gitBlob git's name of it, or of the pointer to it
 * @param sha256 of what is stored in LFS; null for files in git itself
 */
record HubFile(
        String path, long size, String gitBlob, @Nullable String sha256) {
    /** What the Hub gives as its ETag, after which its cache calls it. */
    String etag() {
        return sha256 != null ? sha256 : gitBlob;
    }
}
