package training.lora.trainer.publish;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.Json;
import training.lora.api.Owner;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/** Where runs may publish, and that nothing of others is touched: the same in a folder and in a bucket. */
abstract class OutputLaws {
    static final Owner MINE = new Owner("default", "mine");

    static final String CHECKPOINT = "checkpoints/step-000010/mine.safetensors";

    @TempDir
    Path folder;

    private Output output;

    /** An output in the place of {@code owner} who works in the workspace of {@code token}. */
    abstract Output output(Owner owner, ClaimToken token);

    /** The same in a workspace that each owner has. */
    Output output(Owner owner) {
        return output(owner, token("work/" + owner.name()));
    }

    ClaimToken token(String workspace) {
        return new ClaimToken(folder.resolve(workspace).resolve(".claim"));
    }

    /** The place itself. */
    abstract OutputStore store();

    /** What is there, by name. */
    abstract Map<String, String> content() throws IOException;

    abstract void write(String name, String text) throws IOException;

    abstract void delete(String name) throws IOException;

    /** The place in messages. */
    abstract String place();

    /** What names another place in messages. */
    abstract String option();

    @BeforeEach
    void output() {
        output = output(MINE);
    }

    Map<String, Path> sources(String text, String... names) throws IOException {
        Map<String, Path> sources = new TreeMap<>();
        for (String name : names) {
            Path file = folder.resolve("sources").resolve(name);
            Files.createDirectories(file.getParent());
            sources.put(name, Files.writeString(file, text));
        }
        return sources;
    }

    void manifest(Owner owner, String... files) throws IOException {
        List<Map<String, String>> listed =
                Stream.of(files).map(f -> Map.of("uri", f)).toList();
        write(
                "manifest.json",
                Json.PRETTY.writeValueAsString(
                        Map.of("version", "lora.training/manifest/v1", "owner", owner, "files", listed)));
    }

    static void assertOwned(ThrowingCallable call, String message) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.OutputOwned))
                .hasMessage(message);
    }

    @Test
    void placeWithFilesThatNoRunWroteIsRefused() throws IOException {
        write("checkpoints/v1-5.safetensors", "base");
        for (String name : List.of("a", "b", "c", "d")) {
            write(name + ".txt", "");
        }

        assertOwned(
                output::requireOwn,
                "the output must be empty or this run's own, but %s holds a.txt, b.txt, c.txt and 2 more, which no run of default/mine wrote; take another %s"
                        .formatted(place(), option()));
    }

    @ParameterizedTest
    @ValueSource(strings = {"{\"name\": \"app\"}", "no json", ""})
    void manifestOfSomethingElseIsNone(String text) throws IOException {
        write("manifest.json", text);

        assertOwned(
                output::requireOwn,
                "the output must be empty or this run's own, but %s/manifest.json is not that of a training; take another %s"
                        .formatted(place(), option()));
        assertOwned(
                () -> output.replace(sources("x", "proof.json")),
                "the output must be empty or this run's own, but %s/manifest.json is not that of a training; take another %s"
                        .formatted(place(), option()));
        assertThat(content()).containsExactly(Map.entry("manifest.json", text));
    }

    @ParameterizedTest
    @ValueSource(strings = {"samples.png", "mine.safetensors", "checkpoints/step-000020/mine.safetensors"})
    void nobodysFileUnderANameThatRunsPublishIsInTheWay(String name) throws IOException {
        manifest(MINE, "proof.json");
        write("proof.json", "mine");
        write("my.safetensors", "somebody's");
        write("checkpoints/v1-5.safetensors", "somebody's");
        assertThatCode(output::requireOwn).doesNotThrowAnyException();
        write(name, "somebody's");
        Map<String, String> before = content();
        String message =
                "the output must be empty or this run's own, but %s holds %s, which no run of default/mine wrote; take another %s"
                        .formatted(place(), name, option());

        assertOwned(output::requireOwn, message);
        assertOwned(() -> output.replace(sources("x", name, "proof.json")), message);
        assertThat(content()).isEqualTo(before);
    }

    @Test
    void ownFilesGiveWayAndOthersStay() throws IOException {
        output.replace(sources(
                "one", "mine.safetensors", "proof.json", CHECKPOINT, "diffusers/pytorch_lora_weights.safetensors"));
        manifest(MINE, "mine.safetensors", "proof.json", CHECKPOINT, "diffusers/pytorch_lora_weights.safetensors");
        delete(Output.PENDING);
        write("checkpoints/v1-5.safetensors", "base");
        write("checkpoints/step-000010/note.txt", "somebody's");
        write("checkpoints/step-000010/.DS_Store", "somebody's");
        write("other.safetensors", "somebody's");
        assertThatCode(output::requireOwn).doesNotThrowAnyException();

        output.replace(sources("two", "mine.safetensors", "proof.json"));

        assertThat(content())
                .containsEntry("mine.safetensors", "two")
                .containsEntry("checkpoints/v1-5.safetensors", "base")
                .containsEntry("checkpoints/step-000010/note.txt", "somebody's")
                .containsEntry("other.safetensors", "somebody's")
                .doesNotContainKeys(CHECKPOINT, "manifest.json");
    }

    @Test
    void ownerGoesOnAfterACrashAndNobodyElse() throws IOException {
        manifest(MINE, "mine.safetensors", CHECKPOINT);
        write("mine.safetensors", "one");
        write(CHECKPOINT, "one");
        output.replace(sources("two", "mine.safetensors", "proof.json"));
        // As if the process had been killed before its last file.
        delete("proof.json");
        write("checkpoints/step-000010/mine.safetensors", "one");
        Output theirs = output(new Owner("default", "theirs"));

        assertOwned(
                theirs::requireOwn,
                "the output must be empty or this run's own, but %s/%s belongs to the training default/mine, and this one is default/theirs; take another %s, or delete what is there if nobody needs it"
                        .formatted(place(), Output.PENDING, option()));
        assertThat(output.manifest()).isNull();
        assertThatCode(output::requireOwn).doesNotThrowAnyException();

        output.replace(sources("three", "mine.safetensors"));
        assertThat(content()).containsOnlyKeys("mine.safetensors", Output.PENDING);
    }

    @Test
    void fileThatAppearedWhileItTrainedIsNotOverwritten() throws IOException {
        write("note.txt", "somebody's");
        write("proof.json", "somebody's");

        assertOwned(
                () -> output.replace(sources("x", "proof.json", "mine.safetensors")),
                "the output must be empty or this run's own, but %s holds proof.json, which no run of default/mine wrote; take another %s"
                        .formatted(place(), option()));

        assertThat(content()).containsOnlyKeys("note.txt", "proof.json");
    }

    @Test
    void placeThatIsTakenIsTheOwnersBeforeAnythingIsThere() throws IOException {
        Output theirs = output(new Owner("default", "theirs"));

        output.take();
        output.take();

        assertThat(content()).containsOnlyKeys(Output.PENDING);
        assertOwned(
                theirs::take,
                "the output must be empty or this run's own, but %s/%s belongs to the training default/mine, and this one is default/theirs; take another %s, or delete what is there if nobody needs it"
                        .formatted(place(), Output.PENDING, option()));
        assertThat(output.manifest()).isNull();
    }

    @Test
    void placeWhereNothingWasPublishedIsGivenBack() throws IOException {
        Output theirs = output(new Owner("default", "theirs"));
        output.take();

        output.release();

        assertThat(content()).isEmpty();
        theirs.take();
        assertThat(content().get(Output.PENDING)).contains("theirs");
    }

    @Test
    void placeWithFilesOrOfOthersIsNotGivenBack() throws IOException {
        output.take();
        output.replaceCheckpoints(sources("one", CHECKPOINT));
        Map<String, String> before = content();

        output.release();
        output(new Owner("default", "theirs")).release();
        output(new Owner("default", "theirs"), token("work/mine")).release();

        assertThat(content()).isEqualTo(before);
    }

    @Test
    void placeThatAnotherWorkspaceOfTheOwnerTookIsNotGivenBack() throws IOException {
        Output elsewhere = output(MINE, token("elsewhere"));
        output.take();
        elsewhere.take();
        Map<String, String> before = content();

        elsewhere.release();

        assertThat(content()).isEqualTo(before).containsOnlyKeys(Output.PENDING);
        output(MINE).release();
        assertThat(content()).isEmpty();
    }

    @Test
    void smallFileIsDeletedOnlyWithTheContentThatIsNamed() throws IOException {
        write("a", "one");

        store().delete("a", "two".getBytes(StandardCharsets.UTF_8));
        assertThat(content()).containsOnlyKeys("a");

        store().delete("a", "one".getBytes(StandardCharsets.UTF_8));
        store().delete("a", "one".getBytes(StandardCharsets.UTF_8));
        assertThat(content()).isEmpty();
    }

    @Test
    void placeWithAFinishedRunNeedsNotBeTaken() throws IOException {
        manifest(MINE, "proof.json");
        write("proof.json", "mine");

        output.take();

        assertThat(content()).containsOnlyKeys("manifest.json", "proof.json");
    }

    @Test
    void placeOfOthersIsNotTaken() throws IOException {
        write("a.txt", "somebody's");

        assertOwned(
                output::take,
                "the output must be empty or this run's own, but %s holds a.txt, which no run of default/mine wrote; take another %s"
                        .formatted(place(), option()));

        assertThat(content()).containsOnlyKeys("a.txt");
    }

    @Test
    void checkpointsReplaceThoseOfAnEarlierAttemptAndNothingElse() throws IOException {
        String old = "checkpoints/step-000005/mine.safetensors";
        output.take();
        write("checkpoints/v1-5.safetensors", "somebody's");
        assertThat(output.replaceCheckpoints(sources("one", old))).isTrue();
        assertThat(content()).containsEntry(old, "one").doesNotContainKey("manifest.json");

        assertThat(output.replaceCheckpoints(sources("two", CHECKPOINT))).isTrue();

        assertThat(content()).containsOnlyKeys(Output.PENDING, CHECKPOINT, "checkpoints/v1-5.safetensors");
        assertThat(content()).containsEntry(CHECKPOINT, "two");
    }

    @Test
    void resultThatStandsStaysWholeWhileTheNextOneIsTrained() throws IOException {
        manifest(MINE, CHECKPOINT);
        write(CHECKPOINT, "one");
        Map<String, String> before = content();

        assertThat(output.replaceCheckpoints(sources("two", CHECKPOINT))).isFalse();

        assertThat(content()).isEqualTo(before);
    }

    @Test
    void onlyOneOfManyOwnersTakesAPlace() throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(6);
        try {
            List<Callable<String>> all = new ArrayList<>();
            for (int i = 0; i < 6; i++) {
                String name = "owner-" + i;
                all.add(() -> {
                    try {
                        output(new Owner("default", name)).take();
                        return name;
                    } catch (TrainerException e) {
                        assertThat(e.reason()).isEqualTo(Reason.OutputOwned);
                        return "";
                    }
                });
            }
            List<String> winners = new ArrayList<>();
            for (Future<String> one : pool.invokeAll(all)) {
                if (!one.get().isEmpty()) {
                    winners.add(one.get());
                }
            }

            assertThat(winners).hasSize(1);
            assertThat(content().get(Output.PENDING)).contains(winners.get(0));
        } finally {
            pool.shutdownNow();
        }
    }

    @Test
    void runThatIsAskedToStopEndsBetweenTwoFilesAndGoesOn() throws IOException {
        Map<String, Path> files = sources("one", "loss.png", "mine.safetensors", "proof.json");
        AtomicInteger asked = new AtomicInteger();

        assertThatThrownBy(() -> output.replace(files, Map.of(), () -> asked.incrementAndGet() > 2))
                .isInstanceOfSatisfying(
                        TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.Preempted));

        assertThat(content()).containsOnlyKeys(Output.PENDING, "loss.png", "mine.safetensors");
        output.replace(files);
        assertThat(content()).containsOnlyKeys(Output.PENDING, "loss.png", "mine.safetensors", "proof.json");
    }
}
