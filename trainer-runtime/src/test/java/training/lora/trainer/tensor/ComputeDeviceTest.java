package training.lora.trainer.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/** Which device is taken, and the sentence where the one that was asked for isn't there. */
class ComputeDeviceTest {
    private static final CudaDriver TWO_CARDS = new CudaDriver(List.of("Some Card", "Other Card"), null);

    @TempDir
    Path folder;

    /** A folder as pip's torch has it, {@code lib} beside version.py. */
    private String natives(String version, boolean cuda) throws IOException {
        Path lib = Files.createDirectories(folder.resolve("torch/lib"));
        Files.writeString(folder.resolve("torch/version.py"), "__version__ = '" + version + "'\n");
        Files.createFile(lib.resolve("libtorch.so"));
        if (cuda) {
            Files.createFile(lib.resolve("libtorch_cuda.so"));
        }
        return lib.toString();
    }

    private static void refused(
            String wanted, @Nullable String natives, CudaDriver driver, Reason reason, String... sentence) {
        assertThatThrownBy(() -> ComputeDevice.choose(wanted, natives, () -> driver))
                .isInstanceOfSatisfying(
                        TrainerException.class, e -> assertThat(e.reason()).isEqualTo(reason))
                .hasMessageContainingAll(sentence);
    }

    @Test
    void cardIsTakenByItsNumber() throws IOException {
        String natives = natives("2.7.1+cu126", true);

        assertThat(ComputeDevice.choose("cuda", natives, () -> TWO_CARDS))
                .isEqualTo(new ComputeDevice(Device.gpu(0), "cuda:0 (Some Card)"));
        assertThat(ComputeDevice.choose("cuda:1", natives, () -> TWO_CARDS))
                .isEqualTo(new ComputeDevice(Device.gpu(1), "cuda:1 (Other Card)"));
    }

    @Test
    void autoTakesTheFirstCardWhereNativesAndDriverHaveOne() throws IOException {
        String natives = natives("2.7.1+cu126", true);

        assertThat(ComputeDevice.choose("auto", natives, () -> TWO_CARDS).device())
                .isEqualTo(Device.gpu(0));
        assertThat(ComputeDevice.choose("auto", natives, () -> CudaDriver.none("none")))
                .isEqualTo(ComputeDevice.CPU);
        assertThat(ComputeDevice.choose("auto", null, () -> TWO_CARDS)).isEqualTo(ComputeDevice.CPU);
    }

    @Test
    void processorIsTakenWhereItIsAskedForThoughThereAreCards() throws IOException {
        String natives = natives("2.7.1+cu126", true);

        assertThat(ComputeDevice.choose("cpu", natives, () -> TWO_CARDS)).isEqualTo(ComputeDevice.CPU);
    }

    @Test
    void cardThatIsNotThereIsRefusedInOneSentence() throws IOException {
        String cuda = natives("2.7.1+cu126", true);

        refused(
                "cuda",
                null,
                TWO_CARDS,
                Reason.InvalidConfiguration,
                "`--device` cuda must be a card",
                "know no CUDA (PYTORCH_LIBRARY_PATH is unset)");
        refused(
                "cuda:2",
                cuda,
                TWO_CARDS,
                Reason.InvalidConfiguration,
                "`--device` cuda:2",
                "there are 2, of which the first is cuda:0 (Some Card)");
        refused(
                "cuda",
                cuda,
                CudaDriver.none("there is no NVIDIA driver (libcuda.so.1)"),
                Reason.InvalidConfiguration,
                "but there is no NVIDIA driver (libcuda.so.1)");
    }

    @Test
    void nativesWithoutCudaAreNamed() throws IOException {
        String cpu = natives("2.7.1+cpu", false);

        refused("cuda", cpu, TWO_CARDS, Reason.InvalidConfiguration, "the natives in " + cpu + " know no CUDA");
    }

    @Test
    void nativesOfAnotherVersionAreRefused() throws IOException {
        String other = natives("2.15.0+cu132", true);

        refused(
                "cpu",
                other,
                TWO_CARDS,
                Reason.InvalidConfiguration,
                "PYTORCH_LIBRARY_PATH must name the libraries of PyTorch 2.7.1",
                "holds those of 2.15.0");
    }

    @Test
    void folderWithoutNativesIsRefused() {
        refused(
                "auto",
                folder.toString(),
                TWO_CARDS,
                Reason.InvalidConfiguration,
                "PYTORCH_LIBRARY_PATH must name a folder with libtorch.so, but there is none in " + folder);
    }

    @Test
    void otherWordsAreRefused() {
        refused("gpu", null, TWO_CARDS, Reason.Usage, "`--device` must be cpu, cuda, cuda:N or auto, was \"gpu\"");
        refused("cuda:-1", null, TWO_CARDS, Reason.Usage, "was \"cuda:-1\"");
    }

    @Test
    void machineWithoutDriverSaysSo() {
        assertThat(CudaDriver.ask("libno-such-driver.so.1"))
                .isEqualTo(CudaDriver.none("there is no NVIDIA driver (libno-such-driver.so.1)"));
    }

    @Test
    void libraryThatIsNoDriverFailsInAClause() {
        assertThat(CudaDriver.ask("libc.so.6").problem()).startsWith("the NVIDIA driver fails: ");
    }
}
