package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.AdapterFormat;
import training.lora.api.Bf16Weights;
import training.lora.api.CaptionSource;
import training.lora.api.FullFineTuningSpec;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.ModelFamily;
import training.lora.api.OptimizerType;
import training.lora.api.TrainingMethod;
import training.lora.trainer.run.RunSpecs;

/** Configurations of kohya's scripts for XL on the command line: what is written is read back as a training that may run. */
class KohyaXlConversionTest {
    @TempDir
    Path folder;

    private LoraTrainingSpec converted(String... words) throws IOException {
        Path yaml = folder.resolve("converted.yaml");
        List<String> arguments = new ArrayList<>(List.of("convert-config", "-o", yaml.toString()));
        arguments.addAll(List.of(words));

        Ran ran = Ran.of(System::getenv, arguments.toArray(String[]::new));

        assertThat(ran.code()).as(ran.error()).isZero();
        assertThat(Files.readString(yaml)).startsWith("# From ");
        return RunSpecs.load(yaml, List.of()).run().spec();
    }

    @Test
    void aConfigurationOfSdxlTrainIsReadBackAsAWholeModel() throws IOException {
        LoraTrainingSpec spec = converted("src/test/resources/configs/kohya/xl-fine-tune.toml");

        assertThat(spec.training().method()).isEqualTo(TrainingMethod.FullFineTuning);
        assertThat(spec.baseModel().family()).isEqualTo(ModelFamily.SDXL);
        assertThat(spec.training().optimizer().type()).isEqualTo(OptimizerType.Adafactor);
        assertThat(spec.training().optimizer().learningRate()).isEqualTo(1e-5);
        assertThat(spec.training().optimizer().textEncoderLearningRate()).isEqualTo(3e-6);
        assertThat(spec.training().fullFineTuning()).isEqualTo(new FullFineTuningSpec(Bf16Weights.StochasticRounding));
        assertThat(spec.output().formats()).containsExactly(AdapterFormat.Kohya);
        assertThat(spec.preparation().resolution()).isEqualTo(1024);
        assertThat(spec.datasets()).singleElement().satisfies(dataset -> {
            assertThat(dataset.repeats()).isEqualTo(6);
            assertThat(folder.resolve(dataset.uri()).normalize())
                    .isEqualTo(Path.of("src/test/resources/configs/kohya/folders/6_tin robot")
                            .toAbsolutePath());
        });
    }

    @Test
    void aCommandLineOfSdxlTextualInversionIsReadBackAsNewTokens() throws IOException {
        LoraTrainingSpec spec = converted(
                "--",
                "python",
                "sdxl_train_textual_inversion.py",
                "--pretrained_model_name_or_path=models/sd xl",
                "--train_data_dir=src/test/resources/configs/kohya/folders",
                "--resolution=1024",
                "--token_string=<tin>",
                "--num_vectors_per_token=3",
                "--use_object_template",
                "--mixed_precision=fp16",
                "--learning_rate=5e-4");

        assertThat(spec.training().method()).isEqualTo(TrainingMethod.TextualInversion);
        assertThat(spec.baseModel().family()).isEqualTo(ModelFamily.SDXL);
        assertThat(spec.training().tokens().count()).isEqualTo(3);
        assertThat(spec.training().tokens().learningRate()).isEqualTo(5e-4);
        assertThat(spec.training().steps()).isEqualTo(1600);
        assertThat(spec.preparation().captions().source()).isEqualTo(CaptionSource.None);
        assertThat(spec.datasets()).singleElement().satisfies(dataset -> {
            assertThat(dataset.name()).isEqualTo("tin");
            assertThat(Objects.requireNonNull(dataset.concept()).trigger()).isEqualTo("tin-emb");
        });
    }
}
