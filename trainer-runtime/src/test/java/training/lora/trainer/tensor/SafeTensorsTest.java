package training.lora.trainer.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.Sha256;

class SafeTensorsTest {
    @TempDir
    Path folder;

    private Path file(String header, byte... body) throws IOException {
        byte[] head = header.getBytes(StandardCharsets.UTF_8);
        ByteBuffer bytes = ByteBuffer.allocate(8 + head.length + body.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(head.length).put(head).put(body);
        return Files.write(folder.resolve("x.safetensors"), bytes.array());
    }

    @Test
    void whatWasWrittenIsRead() throws Exception {
        Path path = folder.resolve("new/x.safetensors");
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Map<String, NDArray> tensors = new LinkedHashMap<>();
            tensors.put("z", manager.create(new float[] {1, -2, 3.5f, 4, 5, 6}, new Shape(2, 3)));
            tensors.put("alpha", manager.create(16f));
            tensors.put("none", manager.create(new Shape(0), DataType.FLOAT32));
            tensors.put("a", Randomness.normal(manager, 1, new Shape(7)));

            SafeTensorsWriter.write(path, tensors, Map.of("format", "pt"));

            try (SafeTensors read = SafeTensors.open(path)) {
                assertThat(read.metadata()).containsExactly(Map.entry("format", "pt"));
                assertThat(read.entries().keySet()).containsExactly("z", "alpha", "none", "a");
                tensors.forEach((name, expected) -> {
                    NDArray actual = read.read(name, manager);
                    assertThat(actual.getShape()).isEqualTo(expected.getShape());
                    assertThat(actual.toFloatArray()).containsExactly(expected.toFloatArray());
                });
            }
        }
    }

    @Test
    void writesTheSameBytesAgainAndLeavesNothingElse() throws Exception {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Map<String, NDArray> tensors = Map.of("w", Randomness.normal(manager, 1, new Shape(7)));
            Path one = folder.resolve("1.safetensors");
            Path two = folder.resolve("2.safetensors");

            SafeTensorsWriter.write(one, tensors, Map.of("a", "b"));
            SafeTensorsWriter.write(two, tensors, Map.of("a", "b"));

            byte[] bytes = Files.readAllBytes(one);
            assertThat(bytes).isEqualTo(Files.readAllBytes(two));
            assertThat(ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong() % 8)
                    .isZero();
            try (var files = Files.list(folder)) {
                assertThat(files).containsExactlyInAnyOrder(one, two);
            }
        }
    }

    @Test
    void lazyTensorsAreInMemoryOneAtATime() throws Exception {
        List<NDManager> scopes = new ArrayList<>();
        Map<String, LazyTensor> lazy = new LinkedHashMap<>();
        Map<String, NDArray> there = new LinkedHashMap<>();
        Path one = folder.resolve("lazy.safetensors");
        Path two = folder.resolve("there.safetensors");
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            for (int i = 0; i < 3; i++) {
                int seed = i;
                Shape shape = new Shape(2 + i, 3);
                LazyTensor single = new LazyTensor(shape, DataType.FLOAT32, scope -> {
                    assertThat(scopes).noneMatch(NDManager::isOpen);
                    scopes.add(scope);
                    return Randomness.normal(scope, seed, shape);
                });
                lazy.put("w" + i, i == 1 ? single.as(DataType.FLOAT16) : single);
                NDArray same = Randomness.normal(manager, seed, shape);
                there.put("w" + i, i == 1 ? same.toType(DataType.FLOAT16, false) : same);
            }

            SafeTensorsWriter.writeLazy(one, lazy, Map.of());
            SafeTensorsWriter.write(two, there, Map.of());

            assertThat(Files.readAllBytes(one)).isEqualTo(Files.readAllBytes(two));
            assertThat(SafeTensorsWriter.lazyBodyDigest(lazy)).isEqualTo(SafeTensorsWriter.bodyDigest(there));
            assertThat(scopes).hasSize(6);
            assertThat(there.values()).noneMatch(NDArray::isReleased);
        }
    }

    @Test
    void tensorsOfSeveralPiecesAreWrittenReadAndDigestedWhole() throws Exception {
        Path path = folder.resolve("large.safetensors");
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray large = Randomness.normal(manager, 1, new Shape(3, Pieces.SIZE / 2 + 1));
            Map<String, NDArray> tensors = new LinkedHashMap<>();
            tensors.put("large", large);
            tensors.put("transposed", large.transpose());
            tensors.put("halves", large.toType(DataType.FLOAT16, true));

            SafeTensorsWriter.write(path, tensors, Map.of());

            byte[] bytes = Files.readAllBytes(path);
            long header = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong();
            Sha256 body = new Sha256().add(ByteBuffer.wrap(bytes, 8 + (int) header, bytes.length - 8 - (int) header));
            assertThat(SafeTensorsWriter.bodyDigest(tensors)).isEqualTo(body.hex());
            try (SafeTensors read = SafeTensors.open(path)) {
                tensors.forEach((name, expected) -> {
                    NDArray actual = read.read(name, manager);
                    assertThat(actual.getShape()).isEqualTo(expected.getShape());
                    assertThat(actual.contentEquals(expected.toType(DataType.FLOAT32, true)))
                            .isTrue();
                });
            }
        }
    }

    @Test
    void halfPrecisionIsWidened() throws Exception {
        // fp16 1, -2, smallest subnormal; bf16 1, -2, 3.390625.
        Path path =
                file("""
                {"h":{"dtype":"F16","shape":[3],"data_offsets":[0,6]},"b":{"dtype":"BF16","shape":[1,3],"data_offsets":[6,12]}}""", new byte[] {0, 0x3c, 0, (byte) 0xc0, 1, 0, (byte) 0x80, 0x3f, 0, (byte) 0xc0, 0x59, 0x40});
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafeTensors read = SafeTensors.open(path)) {
            assertThat(read.read("h", manager).toFloatArray()).containsExactly(1, -2, 0x1p-24f);
            NDArray wide = read.read("b", manager);
            assertThat(wide.getShape()).isEqualTo(new Shape(1, 3));
            assertThat(wide.getDataType()).isEqualTo(DataType.FLOAT32);
            assertThat(wide.toFloatArray()).containsExactly(1, -2, 3.390625f);
        }
    }

    @Test
    void brokenFilesAreRefusedByName() throws Exception {
        String good = "{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";

        assertRefused(Files.write(folder.resolve("x.safetensors"), new byte[3]), "ends before its header");
        assertRefused(Files.write(folder.resolve("x.safetensors"), new byte[] {-1, -1, 0, 0, 0, 0, 0, 0}), "65535");
        assertRefused(file("not json"), "not JSON");
        assertRefused(file(good, new byte[7]), "ends before its tensor w");
        assertRefused(file(good.replace("[2]", "[3]"), new byte[8]), "tensor w a shape that doesn't fit");
        assertRefused(file(good.replace("[2]", "[-2]"), new byte[8]), "tensor w a shape that doesn't fit");
        assertRefused(file(good.replace("[0,8]", "[8,0]"), new byte[8]), "tensor w");
        assertRefused(file("{\"w\":{\"dtype\":\"F32\"}}"), "tensor w without");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "is empty | ''",
                "is an HTML page, as a server answers | '<!DOCTYPE html><html><head><title>Sign in</title>'",
                "is an HTML page, as a server answers | '\n  <html lang=\"en\">'",
                "is an HTML page, as a server answers | '<html><title>Zugriff nicht m\u00f6glich: Geb\u00fchr</title>'",
                "is XML, as a server answers | '<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code>'",
                "is a Git LFS pointer | 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n'",
                "is JSON, as a server answers in a file's place: {\"error\":\"Invalid username or password.\"} | '{\"error\":\"Invalid username or password.\"}'",
                "is text, as a server answers in a file's place: Entry not found | Entry not found",
                "is text, as a server answers in a file's place: 404 | 404",
                "is a GGUF file | 'GGUF\u0003\u0000\u0000\u0000'",
                "is a gzip archive | '\u001f\u008b\b\u0000\u0000\u0000\u0000\u0000\u0000'",
                "is a zip archive | PK\u0003\u0004\u0014\u0000\u0000\u0000pictures/a.png",
                "begins with zeros | '\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000'",
                "a pickle can run code | PK\u0003\u0004\u0000\u0000archive/data.pkl",
                "a pickle can run code | \u0080\u0002}q\u0000.",
                "has a header length of | '\u00fe\u00fe\u00fe\u00fe\u00fe\u00fe\u00fe\u0001\u0001'",
            })
    void whatStandsInAFilesPlaceIsTold(String why, String content) throws Exception {
        String text = content.replace("\\n", "\n");
        assertRefused(Files.write(folder.resolve("x.safetensors"), text.getBytes(StandardCharsets.ISO_8859_1)), why);
    }

    @Test
    void aFolderIsNoFile() throws Exception {
        assertRefused(Files.createDirectory(folder.resolve("x.safetensors")), "is a folder");
    }

    private static void assertRefused(Path path, String why) {
        assertThatThrownBy(() -> SafeTensors.open(path).close())
                .isInstanceOf(TrainerException.class)
                .hasMessageContaining("x.safetensors")
                .hasMessageContaining(why);
    }

    @Test
    void picklesAreNeverOpened() throws Exception {
        for (String name : Arrays.asList("m.ckpt", "m.pt", "m.pth", "m.bin")) {
            Path pickle = Files.write(folder.resolve(name), new byte[100]);

            assertThatThrownBy(() -> SafeTensors.open(pickle))
                    .isInstanceOf(TrainerException.class)
                    .hasMessageContaining(name)
                    .hasMessageContaining("safe_serialization=True");
        }
    }

    @Test
    void tensorsOfOtherKindsAreRefusedWhenRead() throws Exception {
        Path path = file("{\"ids\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]}}", new byte[8]);
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafeTensors read = SafeTensors.open(path)) {
            assertThatThrownBy(() -> read.read("ids", manager)).hasMessageContaining("ids as I64");
            assertThatThrownBy(() -> read.read("other", manager)).hasMessageContaining("no tensor other");
        }
    }
}
