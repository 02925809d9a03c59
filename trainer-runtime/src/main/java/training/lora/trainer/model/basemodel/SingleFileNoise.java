package training.lora.trainer.model.basemodel;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;
import java.util.Set;
import training.lora.api.Json;
import training.lora.api.ModelFamily;

/**
 * What a single file says of the noise that it was trained with. Its marker tensors {@code v_pred} and {@code ztsnr}, which
 * ComfyUI reads, go before the metadata of ModelSpec; a file that says nothing predicts noise.
 *
 * @param prediction in diffusers' words, or ModelSpec's where these are no others
 * @param zeroTerminalSnr whether the last timestep is pure noise
 * @param because what says so
 */
public record SingleFileNoise(String prediction, boolean zeroTerminalSnr, String because) {
    private static final String PREDICTION = "modelspec.prediction_type";
    private static final String V = "v_prediction";

    /** Of a file with tensors of these {@code names} and this {@code metadata}. */
    public static SingleFileNoise of(Set<String> names, Map<String, String> metadata) {
        String told = metadata.get(PREDICTION);
        String prediction;
        String because;
        if (names.contains("v_pred")) {
            prediction = V;
            because = "by the marker v_pred";
        } else if (told != null) {
            prediction = told.equals("v") ? V : told;
            because = "by " + PREDICTION;
        } else {
            prediction = "epsilon";
            because = "for nothing says otherwise";
        }
        // Of a model that predicts noise the marker means nothing, in ComfyUI too.
        return new SingleFileNoise(prediction, prediction.equals(V) && names.contains("ztsnr"), because);
    }

    /** As a scheduler_config.json of {@code family}; diffusers' own conversion writes the same betas and offset. */
    ObjectNode scheduler(ModelFamily family) {
        ObjectNode scheduler = Json.MAPPER.createObjectNode();
        switch (family) {
            case SD15, SDXL ->
                scheduler
                        .put("num_train_timesteps", 1000)
                        .put("beta_start", 0.00085)
                        .put("beta_end", 0.012)
                        .put("beta_schedule", "scaled_linear")
                        .put("steps_offset", 1);
        }
        scheduler.put("prediction_type", prediction);
        scheduler.put("rescale_betas_zero_snr", zeroTerminalSnr);
        // Leading timesteps never visit the last, where zero-terminal SNR has pure noise.
        scheduler.put("timestep_spacing", zeroTerminalSnr ? "trailing" : "leading");
        return scheduler;
    }
}
