package training.lora.trainer.export;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.trainer.export.TensorName.Part;
import training.lora.trainer.model.Component;

class NamesTest {
    @ParameterizedTest
    @CsvSource({
        "SD15, UNet, down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q, lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q",
        "SD15, UNet, down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0, lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_out_0",
        "SD15, UNet, mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj, lora_unet_mid_block_attentions_0_transformer_blocks_0_ff_net_0_proj",
        "SD15, UNet, up_blocks.3.attentions.2.transformer_blocks.0.ff.net.2, lora_unet_up_blocks_3_attentions_2_transformer_blocks_0_ff_net_2",
        "SD15, UNet, up_blocks.1.attentions.0.proj_in, lora_unet_up_blocks_1_attentions_0_proj_in",
        "SD15, UNet, down_blocks.3.resnets.1.conv2, lora_unet_down_blocks_3_resnets_1_conv2",
        "SD15, UNet, down_blocks.1.resnets.0.conv_shortcut, lora_unet_down_blocks_1_resnets_0_conv_shortcut",
        "SD15, UNet, down_blocks.1.resnets.0.time_emb_proj, lora_unet_down_blocks_1_resnets_0_time_emb_proj",
        "SD15, UNet, up_blocks.0.upsamplers.0.conv, lora_unet_up_blocks_0_upsamplers_0_conv",
        "SD15, UNet, conv_in, lora_unet_conv_in",
        "SD15, UNet, time_embedding.linear_1, lora_unet_time_embedding_linear_1",
        "SD15, TextEncoder, text_model.encoder.layers.0.self_attn.q_proj, lora_te_text_model_encoder_layers_0_self_attn_q_proj",
        "SD15, TextEncoder, text_model.encoder.layers.11.mlp.fc1, lora_te_text_model_encoder_layers_11_mlp_fc1",
        "SDXL, UNet, down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q, lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q",
        "SDXL, UNet, down_blocks.2.attentions.1.transformer_blocks.9.attn2.to_k, lora_unet_input_blocks_8_1_transformer_blocks_9_attn2_to_k",
        "SDXL, UNet, mid_block.attentions.0.proj_out, lora_unet_middle_block_1_proj_out",
        "SDXL, UNet, mid_block.resnets.1.conv1, lora_unet_middle_block_2_in_layers_2",
        "SDXL, UNet, down_blocks.0.resnets.0.conv2, lora_unet_input_blocks_1_0_out_layers_3",
        "SDXL, UNet, down_blocks.0.downsamplers.0.conv, lora_unet_input_blocks_3_0_op",
        "SDXL, UNet, up_blocks.0.attentions.2.transformer_blocks.9.ff.net.0.proj, lora_unet_output_blocks_2_1_transformer_blocks_9_ff_net_0_proj",
        "SDXL, UNet, up_blocks.1.upsamplers.0.conv, lora_unet_output_blocks_5_2_conv",
        "SDXL, UNet, up_blocks.2.resnets.2.conv_shortcut, lora_unet_output_blocks_8_0_skip_connection",
        "SDXL, UNet, add_embedding.linear_2, lora_unet_label_emb_0_2",
        "SDXL, TextEncoder, text_model.encoder.layers.3.self_attn.out_proj, lora_te1_text_model_encoder_layers_3_self_attn_out_proj",
        "SDXL, TextEncoder2, text_model.encoder.layers.31.mlp.fc2, lora_te2_text_model_encoder_layers_31_mlp_fc2",
    })
    void kohyasNamesAreThoseThatOtherToolsReadAndLeadBack(
            LoraFamily family, Component component, String path, String module) {
        assertThat(KohyaNames.module(family, family.paths(), component, path)).isEqualTo(module);
        assertThat(KohyaNames.parse(module + ".lora_up.weight", family.paths()))
                .isEqualTo(new TensorName(component, path, Part.Up));
    }

    @Test
    void kohyasXlFilesWithDiffusersNamesAreUnderstoodToo() {
        assertThat(KohyaNames.parse(
                        "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q.alpha",
                        LoraFamily.SDXL.paths()))
                .isEqualTo(new TensorName(
                        Component.UNet, "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q", Part.Alpha));
    }

    @ParameterizedTest
    @CsvSource({
        "UNet, up_blocks.1.attentions.0.proj_in, unet.up_blocks.1.attentions.0.proj_in.lora_A.weight, Down",
        "UNet, conv_in, unet.conv_in.lora.up.weight, Up",
        "TextEncoder, text_model.encoder.layers.0.mlp.fc1, text_encoder.text_model.encoder.layers.0.mlp.fc1.lora_B.weight, Up",
        "TextEncoder, text_model.encoder.layers.0.mlp.fc1, text_encoder.encoder.layers.0.mlp.fc1.lora_linear_layer.down.weight, Down",
        "TextEncoder2, text_model.encoder.layers.0.self_attn.k_proj, text_encoder_2.text_model.encoder.layers.0.self_attn.k_proj.lora_A.weight, Down",
    })
    void diffusersNamesAreUnderstood(Component component, String path, String tensor, Part part) {
        assertThat(PeftNames.parse(tensor)).isEqualTo(new TensorName(component, path, part));
    }

    @Test
    void namesOfOtherFilesMeanNothing() {
        for (String other : List.of(
                "lora_unet_down_blocks_0_attentions_0_proj_in.hada_w1_a",
                "lora_unet_input_blocks_99_0_op.alpha",
                "model.diffusion_model.input_blocks.0.0.weight",
                "clip_l")) {
            assertThat(KohyaNames.parse(other, LoraFamily.SDXL.paths())).isNull();
        }
        for (String other : List.of("unet.conv_in.weight", "transformer.x.lora_A.weight", "lora_A.weight")) {
            assertThat(PeftNames.parse(other)).isNull();
        }
    }
}
