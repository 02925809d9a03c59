package training.lora.trainer.source;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Reason;
import training.lora.trainer.Amounts;
import training.lora.trainer.TrainerException;
import training.lora.trainer.Waits;
import training.lora.trainer.files.FileDigests;

/** Fetches sources into the cache, each once in a process, and writes down what it fetched. */
public final class Fetcher implements Remote {
    private static final Logger LOG = LoggerFactory.getLogger(Fetcher.class);

    /** Small files take longer to ask for than to read. */
    private static final int AT_ONCE = 4;

    /** For downloads that are of no use any more to end. */
    private static final Duration END = Duration.ofSeconds(5);

    private final Cache cache;
    private final FetchedSources fetched;
    private final Supplier<FileDigests> digests;
    private final Surroundings surroundings;
    private final Progress progress;
    private final Schemes schemes;
    private final Tries tries;
    private final Map<String, Listing> listings = new HashMap<>();
    private final Map<String, Path> paths = new HashMap<>();

    /** Digests of what this process has fetched, and has hashed while it came. */
    private final Set<String> hashed = ConcurrentHashMap.newKeySet();

    private final List<String> notes = new ArrayList<>();

    /** Takes how far a source is. */
    public interface Progress {
        /** @param total bytes in all; negative if unknown */
        void fetched(Source source, long bytes, long total);
    }

    /**
     * @param fetched takes what was fetched
     * @param digests remembers digests of large files; each is closed
     */
    public Fetcher(
            Cache cache,
            FetchedSources fetched,
            Supplier<FileDigests> digests,
            Surroundings surroundings,
            Progress progress) {
        this(cache, fetched, digests, surroundings, progress, new Tries(surroundings));
    }

    Fetcher(
            Cache cache,
            FetchedSources fetched,
            Supplier<FileDigests> digests,
            Surroundings surroundings,
            Progress progress,
            Tries tries) {
        this.cache = cache;
        this.fetched = fetched;
        this.digests = digests;
        this.surroundings = surroundings;
        this.progress = progress;
        this.schemes = new Schemes(surroundings);
        this.tries = tries;
    }

    /** What {@code source} names today; asked once in a process. */
    private Listing list(Source source) throws IOException {
        String key = source.key();
        Listing known = listings.get(key);
        if (known == null) {
            known = checked(source, tries.run(source, source.shown(), () -> schemes.of(source)
                    .list(source)));
            listings.put(key, known);
        }
        return known;
    }

    /** With the digest that the spec asks for. */
    private static Listing checked(Source source, Listing listing) {
        String wanted = source.sha256();
        if (wanted == null) {
            return listing;
        }
        if (listing.folder()) {
            throw source.wrong(
                    "must name one file where `%s` is set, but names a folder".formatted(source.beside("sha256")));
        }
        RemoteFile file = listing.files().get(0);
        if (file.sha256() != null && !file.sha256().equals(wanted)) {
            throw source.wrongDigest(file.sha256());
        }
        RemoteFile withDigest = RemoteFileBuilder.builder(file)
                .sha256(wanted)
                .identity(RemoteFile.ofSha256(wanted))
                .build();
        return new Listing(listing.version(), false, List.of(withDigest));
    }

    /** Fetches what {@code source} names, unless that was done before; its file or folder. */
    @Override
    public Path path(Source source) {
        String key = source.key();
        Path known = paths.get(key);
        if (known == null) {
            try {
                known = fetch(source);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            paths.put(key, known);
        }
        return known;
    }

    @Override
    public @Nullable Path fetched(Source source) {
        return paths.get(source.key());
    }

    private Path fetch(Source source) throws IOException {
        FetchedSource before = fetched.find(source);
        Path there = before == null ? null : cache.root().resolve(before.path());
        if (there != null && Files.exists(there) && schemes.of(source).fixed(source)) {
            return there;
        }
        Listing listing;
        try {
            listing = list(source);
        } catch (TrainerException e) {
            if (e.reason() != Reason.SourceUnreachable || there == null || !Files.exists(there)) {
                throw e;
            }
            String note = "what was fetched before is taken, since " + e.getMessage();
            LOG.warn("{}", note);
            notes.add(note);
            return there;
        }
        return bring(source, listing);
    }

    @Override
    public @Nullable String fingerprint(Source source) {
        try {
            FetchedSource before = fetched.find(source);
            return before != null && schemes.of(source).fixed(source)
                    ? before.fingerprint()
                    : list(source).fingerprint();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() throws IOException {
        schemes.close();
    }

    @Override
    public List<String> notes() {
        return List.copyOf(notes);
    }

    @Override
    public Path root() {
        return cache.root();
    }

    private Path bring(Source source, Listing listing) throws IOException {
        SortedMap<String, String> files = files(source, listing);
        Path tree = cache.tree(files);
        if (!whole(tree, files)) {
            LOG.warn("what {} holds of {} is damaged, and is fetched anew", cache.root(), source.shown());
            cache.forget(tree, files);
            hashed.clear();
            files = files(source, listing);
            tree = cache.tree(files);
        }
        Path place = listing.folder() ? tree : tree.resolve(files.firstKey());
        long bytes = 0;
        for (String file : files.keySet()) {
            bytes += Files.size(tree.resolve(file));
        }
        fetched.put(FetchedSourceBuilder.builder()
                .use(source.use())
                .uri(source.shown())
                .key(source.key())
                .digest(listing.folder() ? Cache.digest(files) : only(files))
                .path(cache.root().relativize(place).toString())
                .files(files.size())
                .bytes(bytes)
                .version(listing.version())
                .fingerprint(listing.fingerprint())
                .build());
        LOG.info(
                "{} {} is there: {}{}",
                source.field(),
                source.shown(),
                Amounts.files(files.size(), bytes),
                listing.version() == null ? "" : ", " + listing.version());
        return place;
    }

    private static String only(SortedMap<String, String> files) {
        return files.values().iterator().next();
    }

    /** Digests by path, of files that are in the cache. */
    private SortedMap<String, String> files(Source source, Listing listing) throws IOException {
        Map<String, RemoteFile> contents = new LinkedHashMap<>();
        for (RemoteFile file : listing.files()) {
            contents.putIfAbsent(content(file), file);
        }
        Map<String, String> byContent = new ConcurrentHashMap<>();
        List<Map.Entry<String, RemoteFile>> missing = new ArrayList<>();
        for (Map.Entry<String, RemoteFile> file : contents.entrySet()) {
            String there = cache.find(file.getValue());
            if (there != null) {
                byContent.put(file.getKey(), there);
            } else {
                missing.add(file);
            }
        }
        if (!missing.isEmpty()) {
            bring(source, listing, missing, byContent);
        }
        SortedMap<String, String> digestsByPath = new TreeMap<>();
        for (RemoteFile file : listing.files()) {
            digestsByPath.put(file.path(), byContent.get(content(file)));
        }
        return digestsByPath;
    }

    /** What files of one content have in common. */
    private static String content(RemoteFile file) {
        return file.identity() == null ? "path " + file.path() : file.identity();
    }

    private void bring(
            Source source, Listing listing, List<Map.Entry<String, RemoteFile>> missing, Map<String, String> digests)
            throws IOException {
        long total = missing.stream().anyMatch(f -> f.getValue().size() < 0)
                ? -1
                : missing.stream().mapToLong(f -> f.getValue().size()).sum();
        requireWithinLimit(source, listing);
        LOG.info("fetching {} from {}", Amounts.files(missing.size(), total), source.shown());
        Sum sum = new Sum(source, total);
        sum.add(0);
        ExecutorService pool = Waits.daemons("fetch", Math.min(AT_ONCE, missing.size()));
        try {
            List<Future<String>> running = new ArrayList<>();
            for (Map.Entry<String, RemoteFile> file : missing) {
                running.add(pool.submit(() -> one(source, listing, file.getValue(), sum)));
            }
            for (int i = 0; i < running.size(); i++) {
                digests.put(missing.get(i).getKey(), Waits.get(running.get(i)));
            }
        } finally {
            pool.shutdownNow();
            awaitEnd(pool);
        }
    }

    /** Where one file failed the others end too, and nothing is written any more once the failure is known. */
    private static void awaitEnd(ExecutorService pool) {
        try {
            if (!pool.awaitTermination(END.toMillis(), TimeUnit.MILLISECONDS)) {
                LOG.debug("a server is silent, so a download that is of no use now ends later");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private String one(Source source, Listing listing, RemoteFile file, Sum sum) throws IOException {
        return cache.fetch(file, surroundings, part -> {
            String sha256 = new Download(
                            source, file, !listing.folder(), surroundings, tries, cache.rejected(), sum::add)
                    .into(part);
            hashed.add(sha256);
            return sha256;
        });
    }

    private void requireWithinLimit(Source source, Listing listing) {
        long size = listing.files().stream()
                .mapToLong(file -> Math.max(0, file.size()))
                .sum();
        if (size > surroundings.limitBytes()) {
            throw source.wrong("must have at most %d bytes (LORA_SOURCES_LIMIT), but has %d"
                    .formatted(surroundings.limitBytes(), size));
        }
    }

    /** Whether the files are what they are named after. Of large ones that is remembered. */
    private boolean whole(Path tree, Map<String, String> files) throws IOException {
        try (FileDigests known = digests.get()) {
            for (Map.Entry<String, String> file : files.entrySet()) {
                Path path = tree.resolve(file.getKey());
                if (!Files.isRegularFile(path)) {
                    return false;
                }
                // A folder that was there may have another file than the one that has just come.
                if (hashed.contains(file.getValue()) && Files.isSameFile(path, cache.blob(file.getValue()))) {
                    known.remember(path, file.getValue());
                } else if (!known.of(path).equals(file.getValue())) {
                    return false;
                }
            }
            return true;
        }
    }

    /** What has come of a source by now, of several files at once. */
    private final class Sum {
        private final Source source;
        private final long total;
        private long bytes;

        Sum(Source source, long total) {
            this.source = source;
            this.total = total;
        }

        synchronized void add(long more) {
            bytes += more;
            progress.fetched(source, bytes, total);
        }
    }
}
