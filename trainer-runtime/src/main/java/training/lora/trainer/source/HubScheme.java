package training.lora.trainer.source;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.trainer.http.Http;

/**
 * {@code hf://}: a repository of the Hugging Face Hub or of a mirror (HF_ENDPOINT), or a file or folder of one. The revision is
 * resolved to a commit, and of the commit's files those are taken that are needed.
 */
final class HubScheme implements Scheme {
    private static final Logger LOG = LoggerFactory.getLogger(HubScheme.class);

    private final Surroundings surroundings;
    private final HubApi api;
    private final HubCache cache;

    HubScheme(Surroundings surroundings) {
        this.surroundings = surroundings;
        String endpoint = surroundings.variable("HF_ENDPOINT");
        this.api = new HubApi(
                new Http(surroundings::variable, surroundings.guard(), surroundings.stopping()),
                endpoint == null ? "https://huggingface.co" : endpoint.replaceAll("/+$", ""));
        this.cache = HubCache.of(surroundings);
    }

    @Override
    public boolean fixed(Source source) {
        return source.sha256() != null || HubUri.of(source).fixed();
    }

    @Override
    public Listing list(Source source) throws IOException {
        HubUri uri = HubUri.of(source);
        boolean offline = isTrue(surroundings.variable("HF_HUB_OFFLINE"));
        HubLogin login = offline ? HubLogin.none() : HubLogin.of(surroundings, source);
        String commit = offline ? cachedCommit(source, uri) : api.commit(source, uri, login);
        List<HubFile> all = offline ? cache.files(uri, commit) : api.files(source, uri, commit, login);
        Map<String, HubFile> byPath = new HashMap<>();
        all.forEach(file -> byPath.put(file.path(), file));
        NeededFiles needed = NeededFiles.of(source, uri.path(), byPath.keySet());
        List<RemoteFile> files = new ArrayList<>();
        for (Map.Entry<String, String> entry : needed.files().entrySet()) {
            HubFile file = byPath.get(entry.getValue());
            if (file != null) {
                files.add(remote(source, uri, commit, entry.getKey(), file, login));
            }
        }
        return new Listing(commit, needed.folder(), files);
    }

    private static boolean isTrue(@Nullable String value) {
        return value != null && value.matches("(?i)1|on|yes|true");
    }

    private String cachedCommit(Source source, HubUri uri) throws IOException {
        String commit = cache.commit(uri);
        if (commit == null || cache.files(uri, commit).isEmpty()) {
            throw source.wrong("must be in the Hub's cache while HF_HUB_OFFLINE is set, but %s has no %s at %s"
                    .formatted(cache.folder(), uri.repository(), uri.revision()));
        }
        return commit;
    }

    private RemoteFile remote(Source source, HubUri uri, String commit, String path, HubFile file, HubLogin login)
            throws IOException {
        Path cached = cache.find(uri, commit, file);
        if (cached != null) {
            LOG.debug("{} is read from {}", file.path(), cached);
        }
        boolean offline = isTrue(surroundings.variable("HF_HUB_OFFLINE"));
        RemoteFile.Content hub =
                offset -> api.file(source, uri, commit, file, login).open(offset, null);
        RemoteFile.Content content = cached == null ? hub : new Cached(cached, offline ? null : hub);
        return RemoteFileBuilder.builder()
                .path(path)
                .size(file.size())
                .content(content)
                .identity(file.sha256() != null ? RemoteFile.ofSha256(file.sha256()) : "git-blob:" + file.gitBlob())
                .sha256(file.sha256())
                .gitBlob(file.sha256() != null ? null : file.gitBlob())
                .build();
    }

    @Override
    public void close() throws IOException {
        api.close();
    }

    /** A file of the Hub's own cache, which others write; where that is damaged the Hub has it. */
    private static final class Cached implements RemoteFile.Content {
        private final Path file;
        private final RemoteFile.@Nullable Content hub;
        private boolean damaged;

        Cached(Path file, RemoteFile.@Nullable Content hub) {
            this.file = file;
            this.hub = hub;
        }

        @Override
        public RemoteFile.Opened open(long offset) throws IOException {
            if (damaged && hub != null) {
                return hub.open(offset);
            }
            InputStream in = Files.newInputStream(file);
            try {
                in.skipNBytes(offset);
                return new RemoteFile.Opened(in, offset, Files.size(file), null);
            } catch (IOException e) {
                in.close();
                throw e;
            }
        }

        @Override
        public boolean elsewhere() {
            if (damaged || hub == null) {
                return false;
            }
            LOG.warn("{} is damaged or can't be read, so that the file is fetched from the Hub", file);
            damaged = true;
            return true;
        }
    }
}
