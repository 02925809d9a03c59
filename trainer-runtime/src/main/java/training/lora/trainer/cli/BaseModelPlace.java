package training.lora.trainer.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.trainer.Amounts;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.FileDigests;
import training.lora.trainer.source.Cache;
import training.lora.trainer.source.FetchedSources;
import training.lora.trainer.source.Fetcher;
import training.lora.trainer.source.Source;
import training.lora.trainer.source.Sources;
import training.lora.trainer.source.Surroundings;
import training.lora.trainer.source.Unpacker;
import training.lora.trainer.source.Use;

/**
 * Finds base models that options of commands name, with the same uris as {@code baseModel.uri}; what is elsewhere is fetched first.
 *
 * @param environment the process's variables
 */
record BaseModelPlace(Function<String, @Nullable String> environment) {
    private static final Logger LOG = LoggerFactory.getLogger(BaseModelPlace.class);

    private static final long MEGABYTE = 1_000_000;
    private static final long TOLD_BYTES = 100 * MEGABYTE;

    /** What a command does with a model's folder or file. */
    interface Reader<T> {
        T read(Path place) throws IOException;
    }

    /**
     * Looks whether a model on this machine is there; one that must be fetched is not looked at.
     *
     * @param option that names it
     * @throws TrainerException InvalidConfiguration if it is not
     */
    void requireHere(String option, String uri) {
        Source source = source(option, uri);
        if (!source.remote()) {
            local().existing(source);
        }
    }

    /**
     * Reads the model that {@code uri} names, fetched into LORA_CACHE or the user's cache if it is elsewhere.
     *
     * @param option that names it
     * @throws TrainerException whose message names a fetched model as {@code uri} does
     */
    <T> T read(String option, String uri, Reader<T> reader) throws IOException {
        Source source = source(option, uri);
        Path place = place(source);
        try {
            return reader.read(place);
        } catch (TrainerException e) {
            String message = String.valueOf(e.getMessage());
            String told = source.remote() ? Sources.replaced(message, place, source) : message;
            throw told.equals(message) ? e : new TrainerException(e.reason(), told, e);
        }
    }

    private static Source source(String option, String uri) {
        return new Source(option, uri, Use.BaseModel, null, null);
    }

    private Sources local() {
        return Sources.of(environment, Path.of("").toAbsolutePath());
    }

    private Path place(Source source) throws IOException {
        Surroundings surroundings = new Surroundings(environment, Shutdown::requested);
        String caches = surroundings.variable("XDG_CACHE_HOME");
        Path own = (caches == null ? Path.of(System.getProperty("user.home"), ".cache") : Path.of(caches))
                .resolve("lora-trainer/sources");
        Cache cache = Cache.of(surroundings, own);
        Supplier<FileDigests> digests =
                () -> FileDigests.rememberedIn(cache.root().resolve("digests.json"));
        try (Fetcher fetcher = new Fetcher(
                cache, new FetchedSources(cache.root().resolve("sources.json")), digests, surroundings, progress())) {
            return local().with(fetcher, new Unpacker(cache, digests, surroundings.stopping()))
                    .existing(source);
        }
    }

    /** How far the download is, each tenth of a gigabyte. */
    private static Fetcher.Progress progress() {
        AtomicLong told = new AtomicLong();
        return (source, bytes, total) -> {
            if (bytes < told.get() || bytes - told.get() >= TOLD_BYTES) {
                told.set(bytes);
                LOG.info("{}: {} of {} fetched", source.field(), Amounts.bytes(bytes), Amounts.bytes(total));
            }
        };
    }
}
