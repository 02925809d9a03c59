package training.lora.trainer.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.training.GradientCollector;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.BaseWeights;
import training.lora.api.Precision;
import training.lora.api.Reason;
import training.lora.trainer.Goldens;
import training.lora.trainer.TrainerException;
import training.lora.trainer.adapter.AdaptedProjection;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.model.basemodel.FolderPart;
import training.lora.trainer.model.basemodel.Part;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.model.weights.Numbers;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.TorchScript;

class NetworksTest {
    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"unet-a", "unet-bb", "sdxl/unet"})
    void denoiserHasDiffusersOutputAndGradients(String name) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                Goldens golden = new Goldens(name, manager);
                UNet unet = UNet.open(
                        new FolderPart(Goldens.FOLDER.resolve(name), Part.UNet), Precision.Float32, manager)) {
            NDArray sample = golden.get("sample");
            NDArray context = golden.get("context");
            sample.setRequiresGradient(true);
            context.setRequiresGradient(true);
            try (GradientCollector collector = Engine.getInstance().newGradientCollector()) {
                NDArray y = unet.forward(sample, golden.get("timesteps"), told(golden, context), ProjectionDeltas.NONE);
                golden.assertMatches(y, "output");
                TorchScript.backward(y.sub(golden.get("target")).square().mean());
            }
            golden.assertMatches(sample.getGradient(), "grad.sample");
            golden.assertMatches(context.getGradient(), "grad.context");
        }
    }

    private static Conditioning told(Goldens golden, NDArray context) {
        boolean xl = golden.file().entries().containsKey("pooled");
        return xl ? new Conditioning(context, golden.get("pooled"), golden.get("time_ids")) : Conditioning.of(context);
    }

    /** The gradient of F.mse_loss. */
    private static NDArray lossGradient(NDArray y, Goldens golden) {
        return y.sub(golden.get("target")).mul(2.0 / y.size());
    }

    @ParameterizedTest
    @ValueSource(strings = {"unet-a", "unet-bb", "sdxl/unet"})
    void denoisersOwnBackwardGoesToTheContext(String name) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                Goldens golden = new Goldens(name, manager);
                UNet unet = UNet.open(
                        new FolderPart(Goldens.FOLDER.resolve(name), Part.UNet), Precision.Float32, manager)) {
            UNet.Recording recording = unet.recordToText(
                    golden.get("sample"),
                    golden.get("timesteps"),
                    told(golden, golden.get("context")),
                    ProjectionDeltas.NONE);

            golden.assertMatches(recording.output(), "output");
            recording.backward(lossGradient(recording.output(), golden));
            golden.assertMatches(recording.toText().context(), "grad.context");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"unet-a", "unet-bb", "sdxl/unet"})
    void denoisersOwnBackwardGoesDownToTheSample(String name) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                Goldens golden = new Goldens(name, manager);
                UNet unet = UNet.open(
                        new FolderPart(Goldens.FOLDER.resolve(name), Part.UNet), Precision.Float32, manager)) {
            UNet.Recording recording = unet.record(
                    golden.get("sample"),
                    golden.get("timesteps"),
                    told(golden, golden.get("context")),
                    ProjectionDeltas.NONE,
                    true);

            golden.assertMatches(recording.output(), "output");
            golden.assertMatches(recording.backwardToSample(lossGradient(recording.output(), golden)), "grad.sample");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"unet-a", "unet-bb", "sdxl/unet"})
    void adaptersHavePeftsOutputAndGradients(String name) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                Goldens golden = new Goldens(name, manager);
                UNet unet =
                        UNet.open(new FolderPart(Goldens.FOLDER.resolve(name), Part.UNet), Precision.Float32, manager);
                LoraAdapter adapter = adapter(golden, unet, manager).trainable()) {
            UNet.Recording recording = unet.record(
                    golden.get("sample"),
                    golden.get("timesteps"),
                    told(golden, golden.get("context")),
                    adapter.bind(manager));
            golden.assertMatches(recording.output(), "lora.output");
            recording.backward(lossGradient(recording.output(), golden));
            NDArray gradient = adapter.gradient();
            assertThat(adapter.projections()).hasSizeGreaterThan(5);
            for (AdaptedProjection p : adapter.projections()) {
                long middle = p.offset() + p.rank() * p.projection().in();
                long end = middle + p.rank() * p.projection().out();
                String path = p.projection().path();
                golden.assertMatches(
                        gradient.get(p.offset() + ":" + middle)
                                .reshape(p.rank(), p.projection().in()),
                        path + ".grad.A");
                golden.assertMatches(
                        gradient.get(middle + ":" + end).reshape(p.projection().out(), p.rank()), path + ".grad.B");
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"unet-a", "unet-bb", "sdxl/unet"})
    void gradientsInBfloat16PointWherePeftsDo(String name) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                Goldens golden = new Goldens(name, manager);
                UNet unet = UNet.open(
                        new FolderPart(Goldens.FOLDER.resolve(name), Part.UNet),
                        new Numbers(Precision.BFloat16, Precision.BFloat16, BaseWeights.Full),
                        0,
                        manager);
                LoraAdapter adapter = adapter(golden, unet, manager).trainable()) {
            UNet.Recording recording = unet.record(
                    golden.get("sample"),
                    golden.get("timesteps"),
                    told(golden, golden.get("context")),
                    adapter.bind(manager));
            recording.backward(lossGradient(recording.output(), golden));

            assertThat(distance(recording.output(), golden.get("lora.output")))
                    .as("output")
                    .isLessThan(0.02);
            NDList gradients = new NDList();
            for (AdaptedProjection p : adapter.projections()) {
                String path = p.projection().path();
                gradients.add(golden.get(path + ".grad.A").flatten());
                gradients.add(golden.get(path + ".grad.B").flatten());
            }
            assertThat(adapter.gradient().getDataType()).isEqualTo(DataType.FLOAT32);
            assertThat(distance(adapter.gradient(), NDArrays.concat(gradients)))
                    .as("gradient")
                    .isLessThan(0.05);
        }
    }

    /** 2-norm of the difference in terms of the expected's: bf16 rounds each number by up to 0.4 %. */
    private static double distance(NDArray actual, NDArray expected) {
        return actual.sub(expected).norm().getFloat() / expected.norm().getFloat();
    }

    private static LoraAdapter adapter(Goldens golden, UNet unet, NDManager manager) {
        Map<String, LoraAdapter.Factors> factors = new HashMap<>();
        for (Projection p : unet.projections()) {
            if (golden.file().entries().containsKey(p.path() + ".A")) {
                factors.put(
                        p.path(),
                        new LoraAdapter.Factors(
                                4,
                                2,
                                LazyTensor.of(golden.get(p.path() + ".A")),
                                LazyTensor.of(golden.get(p.path() + ".B"))));
            }
        }
        return LoraAdapter.of(unet.projections(), factors, manager);
    }

    @ParameterizedTest
    @ValueSource(strings = {"vae-a", "vae-bb"})
    void autoencoderHasDiffusersOutputAndGradient(String name) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                Goldens golden = new Goldens(name, manager);
                Vae vae = Vae.open(new FolderPart(Goldens.FOLDER.resolve(name), Part.Vae), 0.18215, manager)) {
            NDArray image = golden.get("image");
            image.setRequiresGradient(true);
            try (GradientCollector collector = Engine.getInstance().newGradientCollector()) {
                LatentMoments moments = vae.encode(image);
                golden.assertMatches(moments.mean(), "mean");
                golden.assertMatches(moments.std(), "std");
                NDArray loss = moments.mean()
                        .div(0.3)
                        .square()
                        .mean()
                        .add(moments.std().div(0.3).square().mean());
                TorchScript.backward(loss);
            }
            golden.assertMatches(image.getGradient(), "grad.image");
            golden.assertMatches(vae.decode(golden.get("latents")), "decoded");
        }
    }

    @Test
    void everyMissingWeightAndWrongShapeIsListedAtOnce() throws IOException {
        Files.copy(
                Goldens.FOLDER.resolve("unet-bb/diffusion_pytorch_model.safetensors"),
                folder.resolve("diffusion_pytorch_model.safetensors"));
        Files.copy(Goldens.FOLDER.resolve("unet-a/config.json"), folder.resolve("config.json"));

        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            assertThatThrownBy(() -> UNet.open(new FolderPart(folder, Part.UNet), Precision.Float32, manager))
                    .isInstanceOfSatisfying(
                            TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.InvalidBaseModel))
                    .hasMessageContaining("down_blocks.0.attentions.0.norm.weight is missing")
                    .hasMessageContaining("down_blocks.0.attentions.1.norm.weight is missing")
                    .hasMessageContaining("must have shape [");
        }
    }

    @Test
    void pickleIsRefusedWithTheWayOut() throws IOException {
        Files.copy(Goldens.FOLDER.resolve("unet-a/config.json"), folder.resolve("config.json"));
        Files.write(folder.resolve("diffusion_pytorch_model.bin"), new byte[] {(byte) 0x80, 2});

        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            assertThatThrownBy(() -> UNet.open(new FolderPart(folder, Part.UNet), Precision.Float32, manager))
                    .hasMessageContaining("diffusion_pytorch_model.bin must be a .safetensors file")
                    .hasMessageContaining("safe_serialization=True");
        }
    }

    @Test
    void truncatedWeightsAreRefusedByName() throws IOException {
        Files.copy(Goldens.FOLDER.resolve("unet-a/config.json"), folder.resolve("config.json"));
        byte[] whole = Files.readAllBytes(Goldens.FOLDER.resolve("unet-a/diffusion_pytorch_model.safetensors"));
        Files.write(
                folder.resolve("diffusion_pytorch_model.safetensors"),
                java.util.Arrays.copyOf(whole, whole.length - 4));

        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            assertThatThrownBy(() -> UNet.open(new FolderPart(folder, Part.UNet), Precision.Float32, manager))
                    .hasMessageContaining("ends before its tensor");
        }
    }
}
