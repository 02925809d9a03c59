package training.lora.trainer.export;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.trainer.adapter.AdapterPart;
import training.lora.trainer.model.layer.Component;

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
        assertThat(TensorName.parse(module + ".lora_up.weight", family.paths()))
                .isEqualTo(new TensorName(component, path, AdapterPart.Up, Naming.Kohya));
    }

    @ParameterizedTest
    @CsvSource({
        // kohya's: XL with diffusers' names, 1.x with the original code's.
        "UNet, Kohya, Alpha, down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q, lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q.alpha",
        "UNet, Kohya, Down, down_blocks.0.attentions.1.transformer_blocks.0.attn1.to_out.0, lora_unet_input_blocks_2_1_transformer_blocks_0_attn1_to_out_0.lora_down.weight",
        // SimpleTuner's LyCORIS.
        "UNet, Kohya, Up, mid_block.resnets.0.conv1, lycoris_mid_block_resnets_0_conv1.lora_up.weight",
        // OneTrainer's.
        "TextEncoder2, Kohya, Down, text_projection, lora_te2_text_projection.lora_down.weight",
        "UNet, Diffusers, Alpha, conv_in, unet.conv_in.alpha",
        "UNet, ComfyUi, Down, down_blocks.1.attentions.0.proj_in, input_blocks.4.1.proj_in.lora_A.weight",
        // diffusers' of several years.
        "UNet, Diffusers, Down, up_blocks.1.attentions.0.proj_in, unet.up_blocks.1.attentions.0.proj_in.lora_A.weight",
        "UNet, Diffusers, Up, conv_in, unet.conv_in.lora.up.weight",
        // DoRA's, in PEFT's form, with an adapter's name, and in LyCORIS'.
        "UNet, Diffusers, Magnitude, conv_in, unet.conv_in.lora_magnitude_vector",
        "UNet, Diffusers, Magnitude, conv_in, unet.conv_in.lora_magnitude_vector.default.weight",
        "UNet, Kohya, Magnitude, mid_block.resnets.0.conv1, lycoris_mid_block_resnets_0_conv1.dora_scale",
        "UNet, Diffusers, Down, mid_block.attentions.0.transformer_blocks.0.attn1.to_q, unet.mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.down.weight",
        "UNet, Diffusers, Up, mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0, mid_block.attentions.0.transformer_blocks.0.attn2.processor.to_out_lora.up.weight",
        "TextEncoder, Diffusers, Up, text_model.encoder.layers.0.mlp.fc1, text_encoder.text_model.encoder.layers.0.mlp.fc1.lora_B.weight",
        "TextEncoder, Diffusers, Down, text_model.encoder.layers.0.mlp.fc1, text_encoder.encoder.layers.0.mlp.fc1.lora_linear_layer.down.weight",
        "TextEncoder, Diffusers, Down, text_model.encoder.layers.2.self_attn.q_proj, text_encoder.text_model.encoder.layers.2.self_attn.to_q_lora.down.weight",
        "TextEncoder, Diffusers, Up, text_model.encoder.layers.2.self_attn.out_proj, text_encoder.text_model.encoder.layers.2.self_attn.to_out_lora.up.weight",
        "TextEncoder2, Diffusers, Down, text_model.encoder.layers.0.self_attn.k_proj, text_encoder_2.text_model.encoder.layers.0.self_attn.k_proj.lora_A.weight",
        "TextEncoder2, Diffusers, Up, text_projection, text_encoder_2.text_projection.lora_B.weight",
        // PEFT's wrapped models and adapters' names.
        "UNet, Diffusers, Down, mid_block.attentions.0.proj_out, unet.base_model.model.mid_block.attentions.0.proj_out.lora_A.weight",
        "UNet, Diffusers, Up, mid_block.attentions.0.proj_out, unet.mid_block.attentions.0.proj_out.lora_B.default.weight",
        "TextEncoder, Diffusers, Up, text_model.encoder.layers.1.mlp.fc2, text_encoder.base_model.model.text_model.encoder.layers.1.mlp.fc2.lora_B.weight",
        // ComfyUI's.
        "UNet, ComfyUi, Up, down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q, diffusion_model.input_blocks.4.1.transformer_blocks.0.attn1.to_q.lora_up.weight",
        "UNet, ComfyUi, Down, mid_block.resnets.0.conv1, diffusion_model.middle_block.0.in_layers.2.lora_A.weight",
        "TextEncoder2, ComfyUi, Down, text_model.encoder.layers.5.mlp.fc1, text_encoders.clip_g.transformer.text_model.encoder.layers.5.mlp.fc1.lora_down.weight",
    })
    void namesOfEveryTrainerAreUnderstood(
            Component component, Naming naming, AdapterPart part, String path, String tensor) {
        assertThat(TensorName.parse(tensor, LoraFamily.SDXL.paths()))
                .isEqualTo(new TensorName(component, path, part, naming));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "lora_unet_down_blocks_0_attentions_0_proj_in.hada_w3_a",
                "lora_unet_blocks_0_attn_to_q.lokr_w1",
                "lora_unet_input_blocks_99_0_op.alpha",
                "lora_unet_blocks_0_attn_to_q.lora_down.weight",
                "lora_te1_encoder_block_0_layer_0_SelfAttention_q.lora_down.weight",
                "model.diffusion_model.input_blocks.0.0.weight",
                "unet.conv_in.weight",
                "unet.conv_in.lora_B.bias",
                "transformer.x.lora_A.weight",
                "diffusion_model.blocks.0.self_attn.q.lora_A.weight",
                "lora_A.weight",
                "clip_l"
            })
    void namesOfOtherFilesMeanNothing(String other) {
        assertThat(TensorName.parse(other, LoraFamily.SDXL.paths())).isNull();
    }
}
