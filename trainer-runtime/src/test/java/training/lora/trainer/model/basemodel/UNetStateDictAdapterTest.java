package training.lora.trainer.model.basemodel;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDManager;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.Precision;
import training.lora.trainer.Goldens;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.model.unet.UNetConfig;
import training.lora.trainer.model.weights.Parameter;

class UNetStateDictAdapterTest {
    @ParameterizedTest
    @CsvSource({
        "conv_in.weight, input_blocks.0.0.weight",
        "time_embedding.linear_2.bias, time_embed.2.bias",
        "add_embedding.linear_1.weight, label_emb.0.0.weight",
        "down_blocks.0.resnets.1.conv1.weight, input_blocks.2.0.in_layers.2.weight",
        "down_blocks.0.downsamplers.0.conv.weight, input_blocks.3.0.op.weight",
        "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q, input_blocks.4.1.transformer_blocks.0.attn1.to_q",
        "down_blocks.2.attentions.1.transformer_blocks.9.ff.net.2.bias, input_blocks.8.1.transformer_blocks.9.ff.net.2.bias",
        "mid_block.resnets.1.time_emb_proj.weight, middle_block.2.emb_layers.1.weight",
        "mid_block.attentions.0.proj_out.weight, middle_block.1.proj_out.weight",
        "up_blocks.0.resnets.2.conv_shortcut.weight, output_blocks.2.0.skip_connection.weight",
        "up_blocks.0.upsamplers.0.conv.bias, output_blocks.2.2.conv.bias",
        "up_blocks.2.resnets.0.conv2.weight, output_blocks.6.0.out_layers.3.weight",
        "conv_norm_out.bias, out.0.bias"
    })
    void namesOfSdxlAreThoseOfTheOriginalCode(String diffusers, String original) {
        UNetStateDictAdapter names = new UNetStateDictAdapter(UNetConfig.SDXL);

        assertThat(names.toOriginal(diffusers)).isEqualTo(original);
        assertThat(names.toDiffusers(original)).isEqualTo(diffusers);
    }

    @ParameterizedTest
    @CsvSource({
        "up_blocks.0.upsamplers.0.conv.weight, output_blocks.2.1.conv.weight",
        "up_blocks.1.upsamplers.0.conv.weight, output_blocks.5.2.conv.weight",
        "up_blocks.3.attentions.2.proj_in.weight, output_blocks.11.1.proj_in.weight",
        "down_blocks.3.resnets.1.norm2.bias, input_blocks.11.0.out_layers.0.bias"
    })
    void namesOfStableDiffusion15AreThoseOfTheOriginalCode(String diffusers, String original) {
        UNetStateDictAdapter names = new UNetStateDictAdapter(UNetConfig.SD15);

        assertThat(names.toOriginal(diffusers)).isEqualTo(original);
        assertThat(names.toDiffusers(original)).isEqualTo(diffusers);
    }

    @Test
    void everyWeightHasANameOfItsOwnThatLeadsBack() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                UNet unet = UNet.open(
                        new FolderPart(Goldens.FOLDER.resolve("sdxl/unet"), Part.UNet), Precision.Float32, manager)) {
            UNetStateDictAdapter names = new UNetStateDictAdapter(unet.config());
            Set<String> originals = new HashSet<>();
            for (Parameter weight : unet.parameters().all()) {
                String original = java.util.Objects.requireNonNull(names.toOriginal(weight.name()), weight.name());
                originals.add(original);
                assertThat(names.toDiffusers(original)).isEqualTo(weight.name());
            }

            assertThat(originals).hasSameSizeAs(unet.parameters().all());
        }
    }

    @Test
    void unknownNamesHaveNone() {
        UNetStateDictAdapter names = new UNetStateDictAdapter(UNetConfig.SD15);

        assertThat(names.toOriginal("down_blocks.9.resnets.0.conv1.weight")).isNull();
        assertThat(names.toDiffusers("input_blocks.40.0.op.weight")).isNull();
    }
}
