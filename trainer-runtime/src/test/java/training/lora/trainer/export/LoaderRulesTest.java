package training.lora.trainer.export;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import training.lora.api.AdapterFormat;
import training.lora.trainer.adapter.AdapterModule;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.SafeTensors;

/** What ComfyUI and AUTOMATIC1111 read of a file with every module that an adapter can change. */
class LoaderRulesTest {
    @TempDir
    Path folder;

    private static AdapterModule module(LoaderRules.Module m) {
        boolean convolution = m.path().matches(".*(conv|conv1|conv2)");
        Shape down = convolution ? new Shape(1, 1, 3, 3) : new Shape(1, 1);
        Shape up = convolution ? new Shape(1, 1, 1, 1) : new Shape(1, 1);
        return Modules.lora(
                m.component(),
                m.path(),
                1,
                false,
                new LazyTensor(down, DataType.FLOAT32, scope -> scope.zeros(down)),
                new LazyTensor(up, DataType.FLOAT32, scope -> scope.ones(up)));
    }

    private Set<String> names(LoraFamily family, AdapterFormat format) throws IOException {
        Path file = folder.resolve(family + "-" + format + ".safetensors");
        List<AdapterModule> all = LoaderRules.modules(family).stream()
                .map(LoaderRulesTest::module)
                .toList();
        AdapterWriter.write(file, format, all, Map.of(), family, family.paths(), DataType.FLOAT32, Map.of());
        try (SafeTensors tensors = SafeTensors.open(file)) {
            return Set.copyOf(tensors.entries().keySet());
        }
    }

    @ParameterizedTest
    @CsvSource({"SD15, 192, 72, 0", "SDXL, 722, 72, 192"})
    void thereAreAsManyModulesAsKohyaTrains(LoraFamily family, int unet, int first, int second) {
        assertThat(LoaderRules.modules(family).stream()
                        .filter(m -> m.component() == Component.UNet && m.path().contains("attentions")))
                .hasSize(unet);
        assertThat(LoaderRules.modules(family).stream().filter(m -> m.component() == Component.TextEncoder))
                .hasSize(first);
        assertThat(LoaderRules.modules(family).stream().filter(m -> m.component() == Component.TextEncoder2))
                .hasSize(second);
    }

    @ParameterizedTest
    @EnumSource
    void comfyUiReadsEveryTensorOfKohyasForm(LoraFamily family) throws IOException {
        Set<String> names = names(family, AdapterFormat.Kohya);

        assertThat(names).hasSize(3 * LoaderRules.modules(family).size());
        assertThat(LoaderRules.leftOutByComfyUi(family, names)).isEmpty();
    }

    @ParameterizedTest
    @EnumSource
    void automatic1111ReadsEveryTensorOfKohyasForm(LoraFamily family) throws IOException {
        assertThat(LoaderRules.leftOutByAutomatic1111(family, names(family, AdapterFormat.Kohya)))
                .isEmpty();
    }

    /** Which is why a run writes kohya's form too. */
    @ParameterizedTest
    @EnumSource
    void comfyUiLeavesOutTheAttentionOfDiffusersFormAndNothingElse(LoraFamily family) throws IOException {
        assertThat(LoaderRules.leftOutByComfyUi(family, names(family, AdapterFormat.Diffusers)))
                .isNotEmpty()
                .allMatch(name -> name.matches("unet\\..*\\.attn[12]\\.to_.*"));
    }

    @Test
    void automatic1111WouldMissTheUpsamplersOfXlInDiffusersNames() {
        String name = "lora_unet_up_blocks_0_upsamplers_0_conv.alpha";

        assertThat(LoaderRules.leftOutByAutomatic1111(LoraFamily.SDXL, Set.of(name)))
                .containsExactly(name);
        assertThat(LoaderRules.leftOutByAutomatic1111(LoraFamily.SD15, Set.of(name)))
                .isEmpty();
    }

    @Test
    void aNameThatNoModuleHasIsLeftOut() {
        Set<String> foreign = Set.of("lora_unet_input_blocks_99_1_proj_in.alpha");

        assertThat(LoaderRules.leftOutByComfyUi(LoraFamily.SDXL, foreign)).isEqualTo(foreign);
        assertThat(LoaderRules.leftOutByAutomatic1111(LoraFamily.SDXL, foreign)).isEqualTo(foreign);
    }

    @ParameterizedTest
    @EnumSource
    void everyModuleIsReadBack(LoraFamily family) throws IOException {
        for (AdapterFormat format : List.of(AdapterFormat.Kohya, AdapterFormat.Diffusers)) {
            names(family, format);
            Path file = folder.resolve(family + "-" + format + ".safetensors");
            try (AdapterFile read = AdapterFile.open(file)) {
                assertThat(read.modules().stream().map(m -> m.form().path()).toList())
                        .containsExactlyElementsOf(LoaderRules.modules(family).stream()
                                .map(LoaderRules.Module::path)
                                .toList());
            }
        }
    }
}
