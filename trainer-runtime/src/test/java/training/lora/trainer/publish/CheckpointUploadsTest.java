package training.lora.trainer.publish;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Checkpoint;
import training.lora.api.Owner;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/** Checkpoints that are published while the training goes on, whatever the place thinks of it. */
@Timeout(value = 120, unit = TimeUnit.SECONDS)
class CheckpointUploadsTest {
    private static final Owner MINE = new Owner("default", "mine");

    @TempDir
    Path folder;

    /** A folder that fails as often as a test wants, and tells when a checkpoint is there. */
    private final class Place implements OutputStore {
        private final FolderStore store = new FolderStore(folder.resolve("output"), "--output");
        private final AtomicInteger failures = new AtomicInteger();
        private final List<String> puts = new CopyOnWriteArrayList<>();
        private final CountDownLatch arrived = new CountDownLatch(1);
        private final String awaited;
        private final RuntimeException failure;

        Place(int failures, RuntimeException failure, String awaited) {
            this.failures.set(failures);
            this.failure = failure;
            this.awaited = awaited;
        }

        @Override
        public List<String> entries() throws IOException {
            return store.entries();
        }

        @Override
        public List<String> below(String name) throws IOException {
            return store.below(name);
        }

        @Override
        public void delete(String name, byte[] content) throws IOException {
            store.delete(name, content);
        }

        @Override
        public boolean exists(String name) {
            return store.exists(name);
        }

        @Override
        public byte @Nullable [] read(String name) throws IOException {
            if (failures.getAndDecrement() > 0) {
                throw failure;
            }
            return store.read(name);
        }

        @Override
        public void write(String name, byte[] content) throws IOException {
            store.write(name, content);
        }

        @Override
        public boolean create(String name, byte[] content) throws IOException {
            return store.create(name, content);
        }

        @Override
        public void put(String name, Path file, @Nullable String sha256) throws IOException {
            puts.add(name);
            store.put(name, file, sha256);
            if (name.equals(awaited)) {
                arrived.countDown();
            }
        }

        @Override
        public void delete(String name) throws IOException {
            store.delete(name);
        }

        @Override
        public void cleanUp(Predicate<String> own) {
            store.cleanUp(own);
        }

        @Override
        public String place(String name) {
            return store.place(name);
        }

        @Override
        public String option() {
            return store.option();
        }
    }

    private Checkpoint checkpoint(int step) throws IOException {
        Path file = checkpoints().resolve("step-%06d/mine.safetensors".formatted(step));
        Files.createDirectories(file.getParent());
        Files.writeString(file, "adapter " + step);
        return new Checkpoint(step, List.of());
    }

    private Path checkpoints() {
        return folder.resolve("checkpoints");
    }

    private Set<String> published() throws IOException {
        try (Stream<Path> files = Files.walk(folder.resolve("output"))) {
            Set<String> names = new TreeSet<>();
            files.filter(Files::isRegularFile)
                    .forEach(f ->
                            names.add(folder.resolve("output").relativize(f).toString()));
            return names;
        }
    }

    private static RuntimeException away() {
        return new TrainerException(Reason.SourceUnreachable, "the server must answer, but could not");
    }

    @Test
    void outageOfSomeTriesIsSurvivedWithoutAWordToTheTraining() throws Exception {
        Place place = new Place(5, away(), "checkpoints/step-000020/mine.safetensors");
        try (CheckpointUploads uploads = CheckpointUploads.begin(
                new Output(MINE, new ClaimToken(folder.resolve(".claim")), place),
                checkpoints(),
                Duration.ofMillis(1))) {
            uploads.keep(List.of(checkpoint(10), checkpoint(20)));
            place.arrived.await();
        }

        assertThat(published())
                .containsExactlyInAnyOrder(
                        ".publishing.json",
                        "checkpoints/step-000010/mine.safetensors",
                        "checkpoints/step-000020/mine.safetensors");
    }

    @Test
    void failureThatNobodyThoughtOfEndsNoUploads() throws Exception {
        Place place = new Place(2, new IllegalStateException("a bug"), "checkpoints/step-000010/mine.safetensors");
        try (CheckpointUploads uploads = CheckpointUploads.begin(
                new Output(MINE, new ClaimToken(folder.resolve(".claim")), place),
                checkpoints(),
                Duration.ofMillis(1))) {
            uploads.keep(List.of(checkpoint(10)));

            assertThat(place.arrived.await(60, TimeUnit.SECONDS)).isTrue();
        }
    }

    @Test
    void newestSetIsWhatComesAfterAnOutage() throws Exception {
        Place place = new Place(1, away(), "checkpoints/step-000030/mine.safetensors");
        try (CheckpointUploads uploads = CheckpointUploads.begin(
                new Output(MINE, new ClaimToken(folder.resolve(".claim")), place),
                checkpoints(),
                Duration.ofMillis(200))) {
            uploads.keep(List.of(checkpoint(10)));
            uploads.keep(List.of(checkpoint(20), checkpoint(30)));
            place.arrived.await();
        }

        assertThat(published()).doesNotContain("checkpoints/step-000010/mine.safetensors");
    }

    @Test
    void endDoesNotWaitForAPlaceThatIsAway() throws Exception {
        Place place = new Place(Integer.MAX_VALUE, away(), "");
        long begin = System.nanoTime();
        CheckpointUploads uploads = CheckpointUploads.begin(
                new Output(MINE, new ClaimToken(folder.resolve(".claim")), place), checkpoints(), Duration.ofHours(1));
        uploads.keep(List.of(checkpoint(10)));

        uploads.close();

        assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(Duration.ofSeconds(60));
        assertThat(folder.resolve("output")).doesNotExist();
    }

    @Test
    void checkpointThatIsNoLongerKeptIsNoFailure() throws Exception {
        Place place = new Place(0, away(), "checkpoints/step-000020/mine.safetensors");
        try (CheckpointUploads uploads = CheckpointUploads.begin(
                new Output(MINE, new ClaimToken(folder.resolve(".claim")), place),
                checkpoints(),
                Duration.ofHours(1))) {
            uploads.keep(List.of(new Checkpoint(10, List.of())));
            uploads.keep(List.of(checkpoint(20)));
            place.arrived.await();
        }

        assertThat(published())
                .containsExactlyInAnyOrder(".publishing.json", "checkpoints/step-000020/mine.safetensors");
    }

    @Test
    void checkpointThatIsKeptIsNotPutAgainUnlessItIsAnotherOne() throws IOException {
        Place place = new Place(0, away(), "");
        Output output = new Output(MINE, new ClaimToken(folder.resolve(".claim")), place);
        checkpoint(10);
        checkpoint(20);
        output.replaceCheckpoints(Publisher.checkpoint(checkpoints(), 10));
        Map<String, Path> both = new TreeMap<>(Publisher.checkpoint(checkpoints(), 10));
        both.putAll(Publisher.checkpoint(checkpoints(), 20));
        output.replaceCheckpoints(both);

        assertThat(place.puts)
                .containsExactly(
                        "checkpoints/step-000010/mine.safetensors", "checkpoints/step-000020/mine.safetensors");

        // As after a rollback: another one of the same step.
        Path second = Objects.requireNonNull(both.get("checkpoints/step-000020/mine.safetensors"));
        Files.writeString(second, "another adapter");
        output.replaceCheckpoints(both);
        assertThat(place.puts).hasSize(3).last().isEqualTo("checkpoints/step-000020/mine.safetensors");
        assertThat(folder.resolve("output/checkpoints/step-000020/mine.safetensors"))
                .hasContent("another adapter");
    }

    @Test
    void withoutAPlaceNothingHappens() throws IOException {
        try (CheckpointUploads uploads = CheckpointUploads.begin(null, checkpoints(), Duration.ofMillis(1))) {
            uploads.keep(List.of(checkpoint(10)));
        }

        assertThat(folder.resolve("output")).doesNotExist();
    }
}
