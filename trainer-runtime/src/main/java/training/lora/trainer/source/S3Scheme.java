package training.lora.trainer.source;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.TrainerException;
import training.lora.trainer.s3.S3Prefix;

/** {@code s3://bucket/key}: an object, or what lies below a prefix, of which only what is needed is fetched. */
final class S3Scheme implements Scheme {
    /** Bytes that file systems have for a name. */
    private static final int LONGEST_NAME = 255;

    private final Surroundings surroundings;
    private final List<S3Prefix> open = new ArrayList<>();

    S3Scheme(Surroundings surroundings) {
        this.surroundings = surroundings;
    }

    @Override
    public Listing list(Source source) throws IOException {
        S3Prefix prefix = S3Prefix.open(
                source.parent(),
                source.uri(),
                source.secret(),
                surroundings.secrets().of(source),
                surroundings::variable);
        open.add(prefix);
        S3Prefix.Entry object = source.uri().endsWith("/") ? null : prefix.itself();
        if (object != null) {
            requireFileName(source, object.name());
            return new Listing("ETag " + object.etag(), false, List.of(remote(source, prefix, object, object.name())));
        }
        SortedMap<String, S3Prefix.Entry> byName = new TreeMap<>();
        prefix.list("").forEach(entry -> byName.put(entry.name(), entry));
        if (byName.isEmpty()) {
            throw source.wrong("must name an object, or a prefix with objects below it, but there is nothing");
        }
        requireFileNames(source, byName);
        NeededFiles needed = NeededFiles.of(source, "", byName.keySet());
        List<RemoteFile> files = new ArrayList<>();
        for (Map.Entry<String, String> file : needed.files().entrySet()) {
            S3Prefix.@Nullable Entry entry = byName.get(file.getValue());
            if (entry != null) {
                files.add(remote(source, prefix, entry, file.getKey()));
            }
        }
        return new Listing(null, needed.folder(), files);
    }

    /** Any text is a key, and not every one a file's name; an object may be where others have a folder. */
    private static void requireFileNames(Source source, SortedMap<String, S3Prefix.Entry> byName) {
        for (String name : byName.keySet()) {
            requireFileName(source, name);
            if (!byName.subMap(name + "/", name + "0").isEmpty()) {
                throw noFileName(source, name);
            }
        }
    }

    private static void requireFileName(Source source, String name) {
        boolean bad = Stream.of(name.split("/", -1))
                .anyMatch(step -> step.isEmpty()
                        || step.equals(".")
                        || step.equals("..")
                        || step.indexOf(0) >= 0
                        || step.getBytes(StandardCharsets.UTF_8).length > LONGEST_NAME);
        if (bad) {
            throw noFileName(source, name);
        }
    }

    private static TrainerException noFileName(Source source, String name) {
        return source.invalid("must hold objects whose keys can be files' names, but holds " + name);
    }

    private RemoteFile remote(Source source, S3Prefix prefix, S3Prefix.Entry entry, String path) {
        return RemoteFileBuilder.builder()
                .path(path)
                .size(entry.sizeBytes())
                .content(offset -> open(source, prefix, entry, offset))
                .identity("%s %s %d".formatted(prefix.url(entry), entry.etag(), entry.sizeBytes()))
                .build();
    }

    private static RemoteFile.Opened open(Source source, S3Prefix prefix, S3Prefix.Entry entry, long offset)
            throws IOException {
        InputStream in = prefix.open(entry, offset);
        if (in == null) {
            throw source.unreachable(
                    "must not change while it is fetched, but %s did; the same command fetches what is there now"
                            .formatted(entry.name()),
                    null);
        }
        return new RemoteFile.Opened(in, offset, entry.sizeBytes(), entry.etag());
    }

    /** What was listed is read until here. */
    @Override
    public void close() {
        open.forEach(S3Prefix::close);
        open.clear();
    }
}
