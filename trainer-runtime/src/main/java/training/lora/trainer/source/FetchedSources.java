package training.lora.trainer.source;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.api.SourceVersion;
import training.lora.trainer.files.WholeFile;

/**
 * {@code sources.json} of a workspace: what prepare has fetched, which is all that the later stages read of remote sources.
 *
 * @param file where it is
 */
public record FetchedSources(Path file) {
    private static final Logger LOG = LoggerFactory.getLogger(FetchedSources.class);

    private static final String VERSION = "lora.training/sources/v1";

    private record Content(String version, List<FetchedSource> sources) {}

    /**
     * Where the files are that prepare fetched, for the stages after it.
     *
     * @param cache that holds them
     */
    public Remote in(Cache cache) {
        return new Remote() {
            @Override
            public Path path(Source source) {
                FetchedSource fetched = find(source);
                Path path = fetched == null ? null : cache.root().resolve(fetched.path());
                if (path == null || !Files.exists(path)) {
                    throw source.failure(
                            Reason.InvalidConfiguration,
                            "must have been fetched, but %s; run `prepare` first"
                                    .formatted(
                                            path == null ? file + " doesn't name it" : "there is nothing at " + path),
                            null);
                }
                return path;
            }

            @Override
            public @Nullable Path fetched(Source source) {
                FetchedSource fetched = find(source);
                return fetched == null ? null : cache.root().resolve(fetched.path());
            }

            @Override
            public Path root() {
                return cache.root();
            }

            @Override
            public @Nullable String fingerprint(Source source) {
                FetchedSource fetched = find(source);
                return fetched == null ? null : fetched.fingerprint();
            }
        };
    }

    /** Those that are known; none where there is no such file. */
    public List<FetchedSource> all() {
        if (!Files.isRegularFile(file)) {
            return List.of();
        }
        try {
            Content content = Json.MAPPER.readValue(file.toFile(), Content.class);
            if (VERSION.equals(content.version()) && content.sources() != null) {
                return content.sources();
            }
        } catch (IOException e) {
            LOG.warn("{} is damaged: {}", file, e.getMessage());
        }
        return List.of();
    }

    /** What was fetched of {@code source}; null if nothing. */
    public @Nullable FetchedSource find(Source source) {
        String key = source.key();
        return all().stream().filter(f -> f.key().equals(key)).findAny().orElse(null);
    }

    /** How the {@code named} that are elsewhere were when they were fetched. */
    public List<SourceVersion> versions(List<Source> named) {
        return named.stream()
                .filter(Source::remote)
                .map(this::find)
                .filter(Objects::nonNull)
                .distinct()
                .map(f -> new SourceVersion(f.uri(), f.version(), f.key(), f.fingerprint()))
                .toList();
    }

    /** Adds what was fetched, in the place of what was fetched of the same source before. */
    void put(FetchedSource fetched) throws IOException {
        List<FetchedSource> sources = new ArrayList<>(all());
        sources.removeIf(f -> f.key().equals(fetched.key()));
        sources.add(fetched);
        WholeFile.writeShared(
                file, temporary -> Json.PRETTY.writeValue(temporary.toFile(), new Content(VERSION, sources)));
    }
}
