package training.lora.trainer.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.AdapterFormat;
import training.lora.api.Proof;
import training.lora.trainer.Goldens;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.LoraSettings;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.tensor.Randomness;

class ExportProofTest {
    @TempDir
    Path folder;

    /** An adapter whose B is not zero. */
    private static LoraAdapter trained(StableDiffusion model, boolean rankStabilized, NDManager manager) {
        LoraAdapter adapter = LoraAdapter.create(
                model.unet().projections(),
                new LoraSettings(3, 1.7, rankStabilized, 0, List.of("Attention"), List.of()),
                1,
                manager);
        try (NDArray noise = Randomness.normal(manager, 2, adapter.parameters().getShape())) {
            adapter.parameters().addi(noise.muli(0.05));
        }
        return adapter;
    }

    /** Changes the text encoders' part alone after the file was written. */
    private Proof proveTexts(Path base, float change) throws IOException {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                StableDiffusion model = StableDiffusion.open(base, manager);
                LoraAdapter adapter = LoraAdapter.create(
                        Stream.concat(model.unet().projections().stream(), model.textProjections().stream())
                                .toList(),
                        new LoraSettings(2, 2, List.of("Attention", "FeedForward")),
                        1,
                        manager)) {
            adapter.parameters()
                    .addi(Randomness.normal(manager, 2, adapter.parameters().getShape())
                            .muli(0.05));
            Exports.write(folder.resolve("x"), AdapterFormat.Kohya, adapter, ExportMetadata.of("x", "x", model, 64));
            adapter.parameters().get(new NDIndex(adapter.textOffset() + ":")).addi(change);
            return new ExportProof(model, manager)
                    .prove(folder, List.of("x"), adapter)
                    .get(0);
        }
    }

    @Test
    void textEncodersAreProvenBesideTheDenoiser() throws IOException {
        for (Path base : List.of(Goldens.BUNDLED.resolve("emoji-sd"), Goldens.FOLDER.resolve("sdxl"))) {
            assertThat(proveTexts(base, 0).difference()).isLessThanOrEqualTo(1e-6);
            assertThatThrownBy(() -> proveTexts(base, 0.01f))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("must do what was trained");
        }
    }

    private Proof prove(AdapterFormat format, boolean rankStabilized, float change) throws IOException {
        String name = format + ".safetensors";
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                StableDiffusion model = StableDiffusion.open(Goldens.BUNDLED.resolve("emoji-sd"), manager);
                LoraAdapter adapter = trained(model, rankStabilized, manager)) {
            Exports.write(folder.resolve(name), format, adapter, ExportMetadata.of("x", "emoji-sd", model, 128));
            adapter.parameters().addi(change);
            return new ExportProof(model, manager)
                    .prove(folder, List.of(name), adapter)
                    .get(0);
        }
    }

    @Test
    void aFileThatDoesWhatWasTrainedIsProven() throws IOException {
        for (AdapterFormat format : List.of(AdapterFormat.Kohya, AdapterFormat.Diffusers)) {
            for (boolean rankStabilized : new boolean[] {false, true}) {
                Proof proof = prove(format, rankStabilized, 0);

                assertThat(proof.difference()).isLessThanOrEqualTo(1e-6);
                assertThat(proof.tolerance()).isEqualTo(1e-5);
                assertThat(proof.sha256()).isEqualTo(Sha256.of(folder.resolve(proof.file())));
            }
        }
    }

    @Test
    void aFileThatDoesSomethingElseIsAnError() {
        assertThatThrownBy(() -> prove(AdapterFormat.Kohya, false, 0.001f))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("must do what was trained, within 1.0E-5 of the output, but differs by");
    }
}
