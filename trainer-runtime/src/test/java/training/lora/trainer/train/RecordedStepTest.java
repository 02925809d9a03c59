package training.lora.trainer.train;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtDeviceType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.Precision;
import training.lora.trainer.model.unet.UNetConfig;
import training.lora.trainer.model.unet.UNetConfigBuilder;
import training.lora.trainer.tensor.StepRecording;

/**
 * A step's recording is all of it. With {@code -Dcard.recordings=FOLDER} those that {@code benchmarks/gpu} replays on a card
 * are written there.
 */
class RecordedStepTest {
    private static final String RECORDINGS = "card.recordings";

    private static final UNetConfig TINY = UNetConfigBuilder.builder()
            .sampleSize(8)
            .channels(4)
            .contextWidth(24)
            .widths(List.of(16, 32))
            .attention(List.of(true, true))
            .layers(1)
            .heads(List.of(2, 4))
            .transformerLayers(List.of(1, 2))
            .groups(4)
            .normEps(1e-5)
            .linearProjection(true)
            .addition(new UNetConfig.Addition(8, 64))
            .build();

    private static StepRecording tiny(Device device, Precision precision, boolean withValues) {
        try (NDManager manager = NDManager.newBaseManager(device, "PyTorch")) {
            return new RecordedStep("tiny", TINY, precision, 8, 4).record(manager, withValues);
        }
    }

    @ParameterizedTest
    @EnumSource
    void replayGivesTheSameNumbers(Precision precision) {
        StepRecording recording = tiny(PtDeviceType.PRETENDED, precision, true);

        try (NDManager scope = NDManager.newBaseManager(Device.cpu(), "PyTorch")) {
            Map<String, NDArray> replayed = recording.replay(scope);

            for (String state : List.of("parameters", "firstMoment", "secondMoment", "log")) {
                float[] after = Objects.requireNonNull(replayed.get(state)).toFloatArray();
                List<Float> before = recording.outer(state).values();
                List<Float> recorded = Objects.requireNonNull(recording.after().get(state));
                assertThat(recorded).as(state + " moves").isNotEqualTo(before);
                for (int i = 0; i < after.length; i++) {
                    assertThat(after[i]).as("%s[%d]", state, i).isEqualTo(recorded.get(i));
                }
            }
        }
    }

    /** So a whole model's can be made in no memory. */
    @ParameterizedTest
    @EnumSource
    void recordingWithoutValuesIsTheSame(Precision precision) {
        StepRecording with = tiny(PtDeviceType.PRETENDED, precision, true);
        StepRecording without = tiny(Device.gpu(0), precision, false);

        assertThat(without.texts()).isEqualTo(with.texts());
        assertThat(without.calls()).isEqualTo(with.calls());
        assertThat(without.outers()).extracting(StepRecording.Outer::shape).isEqualTo(shapes(with));
        assertThat(without.outers())
                .usingRecursiveFieldByFieldElementComparatorIgnoringFields("values")
                .isEqualTo(with.outers());
    }

    private static List<List<Long>> shapes(StepRecording recording) {
        return recording.outers().stream().map(StepRecording.Outer::shape).toList();
    }

    /** That one recording of a step serves for both precisions. */
    @Test
    void textsDontDependOnThePrecision() {
        StepRecording single = tiny(Device.gpu(0), Precision.Float32, false);
        StepRecording half = tiny(Device.gpu(0), Precision.BFloat16, false);

        assertThat(half.texts()).isEqualTo(single.texts());
        assertThat(half.calls()).isEqualTo(single.calls());
    }

    @Test
    void recordingIsOfTheCardsTextsAndItsWiringIsWhole() {
        StepRecording recording = tiny(Device.gpu(0), Precision.BFloat16, false);

        assertThat(recording.texts())
                .anyMatch(text -> text.contains("_efficient_attention_forward"))
                .anyMatch(text -> text.contains("_efficient_attention_backward"))
                .noneMatch(text -> text.contains("_for_cpu"));
        assertWhole(recording);
    }

    /** Each input is there when it is needed, each tensor is used, and all numbers of the host have values. */
    private static void assertWhole(StepRecording recording) {
        Set<Integer> there = new HashSet<>();
        Set<Integer> used = new HashSet<>();
        for (int i = 0; i < recording.calls().size(); i++) {
            int at = i;
            recording.outers().stream().filter(o -> o.at() == at).forEach(o -> assertThat(there.add(o.id()))
                    .isTrue());
            StepRecording.Call call = recording.calls().get(i);
            there.removeAll(call.released());
            assertThat(there).containsAll(call.inputs());
            used.addAll(call.inputs());
            there.addAll(call.outputs());
            assertThat(call.text()).isLessThan(recording.texts().size());
        }
        assertThat(recording.outers())
                .filteredOn(o -> o.kind() == StepRecording.Kind.Host)
                .hasSize(6)
                .allMatch(o -> o.values() != null);
        assertThat(recording.outers()).allMatch(o -> used.contains(o.id()), "is an input of a call");
    }

    /** Machines with a card take few files at a time; recordings and a wheel of diffusers, some 5 MiB, come on top. */
    @ParameterizedTest
    @ValueSource(strings = {"gpu", "peer"})
    void whatACardNeedsOfTheRepositoryIsSmall(String benchmark) throws IOException {
        Path folder = Path.of("../benchmarks").resolve(benchmark);
        long bytes = 0;
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.filter(Files::isRegularFile)
                    .filter(f -> !f.startsWith(folder.resolve("target")))
                    .toList()) {
                bytes += Files.size(file);
            }
        }

        assertThat(bytes).isBetween(1L, 1L << 20);
    }

    @ParameterizedTest
    @EnumSource
    @EnabledIfSystemProperty(named = RECORDINGS, matches = ".+")
    void recordingsForACardAreWritten(Model model) throws IOException {
        Path folder = Files.createDirectories(Path.of(System.getProperty(RECORDINGS)));
        StepRecording recording = model.record();

        assertWhole(recording);
        recording.write(folder.resolve(model.name() + ".json.gz"));
    }

    /** What is recorded for a card. */
    enum Model {
        tiny {
            @Override
            StepRecording record() {
                return RecordedStepTest.tiny(PtDeviceType.PRETENDED, Precision.Float32, true);
            }
        },
        tiny_bf16 {
            @Override
            StepRecording record() {
                return RecordedStepTest.tiny(Device.gpu(0), Precision.BFloat16, false);
            }
        },
        sd15 {
            @Override
            StepRecording record() {
                return withoutValues(UNetConfig.SD15);
            }
        },
        sdxl {
            @Override
            StepRecording record() {
                return withoutValues(UNetConfig.SDXL);
            }
        };

        abstract StepRecording record();

        StepRecording withoutValues(UNetConfig config) {
            try (NDManager manager = NDManager.newBaseManager(Device.gpu(0), "PyTorch")) {
                return new RecordedStep(name(), config, Precision.BFloat16, config.sampleSize(), 16)
                        .record(manager, false);
            }
        }
    }
}
