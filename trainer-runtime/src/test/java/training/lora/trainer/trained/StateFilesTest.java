package training.lora.trainer.trained;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.Randomness;

class StateFilesTest {
    @TempDir
    Path train;

    private final NDManager manager = NDManager.newBaseManager("PyTorch");

    private static final Position.Begin BEGIN = new Position.Begin(0.123456789012345678, 0.3, 0.4);

    @AfterEach
    void close() {
        manager.close();
    }

    private StateFiles files(int keep) {
        return new StateFiles(train, step -> step % 10 == 0, keep);
    }

    private Map<String, LazyTensor> tensors(int step) {
        return Map.of("parameters", LazyTensor.of(Randomness.normal(manager, step, new Shape(50))));
    }

    private void write(StateFiles files, int... steps) throws IOException {
        Position first = Position.first(TestRuns.run("steps: 100"), 100, TestRuns.DATA, 1, BEGIN);
        for (int step : steps) {
            files.write(first.at(step, Map.of(Component.UNet, 0.1 * step), List.of()), tensors(step));
        }
    }

    private Path file(int step) {
        return train.resolve("state").resolve("step-%06d.safetensors".formatted(step));
    }

    private int newest(StateFiles files) throws IOException {
        try (StateFiles.State state = files.newest(step -> true)) {
            return state == null ? -1 : state.position().step();
        }
    }

    private List<String> names() throws IOException {
        try (Stream<Path> all = Files.list(train.resolve("state"))) {
            return all.map(f -> f.getFileName().toString()).sorted().toList();
        }
    }

    @Test
    void statesAfterAStepCanBeDeleted() throws IOException {
        StateFiles files = files(3);
        write(files, 0, 10, 20, 25);

        files.cut(10);

        assertThat(names()).containsExactly("step-000000.safetensors", "step-000010.safetensors");
    }

    @Test
    void stateComesBackBitForBit() throws IOException {
        StateFiles files = files(3);
        write(files, 0, 10);

        try (StateFiles.State state = Objects.requireNonNull(files.newest(step -> true))) {
            assertThat(state.position())
                    .isEqualTo(Position.first(TestRuns.run("steps: 100"), 100, TestRuns.DATA, 1, BEGIN)
                            .at(10, Map.of(Component.UNet, 1.0), List.of()));
            assertThat(state.tensors()).containsOnlyKeys("parameters");
            assertThat(state.tensors().values().iterator().next().in(manager).toFloatArray())
                    .isEqualTo(
                            tensors(10).values().iterator().next().in(manager).toFloatArray());
        }
    }

    @Test
    void stateWithAnyChangedBitIsPassedOver() throws IOException {
        StateFiles files = files(3);
        write(files, 10, 20);
        byte[] whole = Files.readAllBytes(file(20));
        int header = (int) (8 + whole[0] + 256L * (whole[1] & 0xff));

        for (int at : new int[] {0, 7, 9, header / 2, header, header + 1, whole.length - 1}) {
            byte[] damaged = whole.clone();
            damaged[at] ^= 4;
            Files.write(file(20), damaged);
            assertThat(newest(files)).as("byte %d changed", at).isEqualTo(10);
        }
        Files.write(file(20), whole);
        assertThat(newest(files)).isEqualTo(20);
    }

    @Test
    void changedPositionIsDamageToo() throws IOException {
        StateFiles files = files(3);
        write(files, 10, 20);
        byte[] whole = Files.readAllBytes(file(20));
        byte[] search = "\\\"step\\\":20".getBytes(StandardCharsets.UTF_8);
        int at =
                new String(whole, StandardCharsets.ISO_8859_1).indexOf(new String(search, StandardCharsets.ISO_8859_1));
        assertThat(at).isPositive();
        whole[at + search.length - 1] = '1';
        Files.write(file(20), whole);

        assertThat(newest(files)).isEqualTo(10);
    }

    @Test
    void stateThatWasTornOffIsPassedOver() throws IOException {
        StateFiles files = files(3);
        write(files, 10, 20);
        byte[] whole = Files.readAllBytes(file(20));

        for (int length : new int[] {0, 5, 100, whole.length / 2, whole.length - 1}) {
            Files.write(file(20), Arrays.copyOf(whole, length));
            assertThat(newest(files)).as("%d of %d bytes", length, whole.length).isEqualTo(10);
        }
        Files.write(file(10), new byte[3]);
        assertThat(newest(files)).as("nothing whole is left").isEqualTo(-1);
    }

    @Test
    void wholeStateOfAnotherReleaseIsRefusedAndNotPassedOver() throws IOException {
        StateFiles files = files(3);
        write(files, 10);
        Position other = Position.first(TestRuns.run("steps: 100"), 100, TestRuns.DATA, 1, BEGIN)
                .at(20, Map.of(), List.of());
        files.write(version("lora.training/state/v1", other), tensors(20));

        assertThatThrownBy(() -> newest(files))
                .isInstanceOfSatisfying(
                        TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.InvalidConfiguration))
                .hasMessage(file(20)
                        + " must be a state that this trainer can go on from, lora.training/state/v3, but another"
                        + " release wrote it, lora.training/state/v1; take another --workspace, or delete "
                        + train + " to begin anew");
    }

    private static Position version(String version, Position p) {
        return PositionBuilder.builder(p).version(version).build();
    }

    @Test
    void halfWrittenStateOfAKilledProcessIsNoState() throws IOException {
        StateFiles files = files(3);
        write(files, 10);
        Path half = file(20).resolveSibling("." + file(20).getFileName() + ".tmp");
        Files.write(half, new byte[100]);

        assertThat(newest(files)).isEqualTo(10);
        write(files, 20);
        assertThat(newest(files)).isEqualTo(20);
        assertThat(half).doesNotExist();
    }

    @Test
    void stateThatCantBeWrittenLeavesTheOneBefore() throws IOException {
        StateFiles files = files(1);
        write(files, 10);
        // A folder where the new file should go: renaming fails once all is written.
        Files.createDirectories(file(20).resolve("in the way"));

        assertThatThrownBy(() -> write(files, 20)).isInstanceOf(IOException.class);

        assertThat(newest(files)).isEqualTo(10);
        assertThat(names()).containsExactly("step-000010.safetensors", "step-000020.safetensors");
    }

    @Test
    void newestRegularStatesAreKeptAndOthersOnlyUntilTheNext() throws IOException {
        StateFiles files = files(2);

        write(files, 0, 3, 10, 17);
        assertThat(names())
                .containsExactly("step-000000.safetensors", "step-000010.safetensors", "step-000017.safetensors");

        write(files, 20);
        assertThat(names()).containsExactly("step-000010.safetensors", "step-000020.safetensors");
        files.clear();
        assertThat(newest(files)).isEqualTo(-1);
    }
}
