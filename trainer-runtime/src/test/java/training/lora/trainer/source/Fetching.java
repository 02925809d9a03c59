package training.lora.trainer.source;

import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.FileDigests;

/** Fetches into a folder, without waiting. */
final class Fetching {
    final Path folder;
    final Cache cache;
    final FetchedSources fetched;
    final Map<String, String> environment = new HashMap<>();
    final List<Duration> waits = new ArrayList<>();
    final List<Long> progress = new ArrayList<>();
    BooleanSupplier stopping = () -> false;

    Fetching(Path folder) {
        this(folder, new Cache(folder.resolve("cache")));
    }

    /** With a cache that others have too. */
    Fetching(Path folder, Cache cache) {
        this.folder = folder;
        this.cache = cache;
        this.fetched = new FetchedSources(folder.resolve("sources.json"));
        environment.put("HOME", folder.resolve("home").toString());
    }

    Fetching with(String name, String value) {
        environment.put(name, value);
        return this;
    }

    /** A new process, so to say. */
    Fetcher fetcher() {
        Surroundings surroundings = new Surroundings(environment::get, stopping);
        return new Fetcher(
                cache,
                fetched,
                () -> FileDigests.rememberedIn(folder.resolve(".digests.json")),
                surroundings,
                (source, bytes, total) -> progress.add(bytes),
                new Tries(surroundings, waits::add));
    }

    Path path(Source source) {
        return fetcher().path(source);
    }

    TrainerException refused(Source source) {
        TrainerException failure = catchThrowableOfType(TrainerException.class, () -> path(source));
        if (failure == null) {
            throw new AssertionError(source + " was fetched");
        }
        return failure;
    }

    FetchedSource entry(Source source) throws IOException {
        FetchedSource entry = fetched.find(source);
        if (entry == null) {
            throw new AssertionError(source + " is not in " + fetched.file());
        }
        return entry;
    }
}
