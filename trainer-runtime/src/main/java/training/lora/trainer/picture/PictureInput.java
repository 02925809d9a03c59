package training.lora.trainer.picture;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.opencv.core.Mat;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.picture.PillowResize.Filter;

/**
 * How a network wants a picture, as a {@code preprocessor_config.json} of transformers says: scaled to one size without heed to
 * its shape, and normalised.
 *
 * @param width in pixels
 * @param height in pixels
 * @param filter that scales
 * @param mean of red, green and blue, from 0 to 1
 * @param deviation of red, green and blue
 */
public record PictureInput(int width, int height, Filter filter, float[] mean, float[] deviation) {
    /**
     * Reads a preprocessor_config.json.
     *
     * @param file null: {@code otherwise}, which also has what the file leaves out
     */
    public static PictureInput read(@Nullable Path file, PictureInput otherwise) {
        if (file == null) {
            return otherwise;
        }
        try {
            JsonNode config = Json.MAPPER.readTree(file.toFile());
            JsonNode size = config.path("size");
            int width = size.isInt() ? size.asInt() : size.path("width").asInt(otherwise.width);
            int height = size.isInt() ? size.asInt() : size.path("height").asInt(otherwise.height);
            Filter filter =
                    config.has("resample") ? Filter.of(config.path("resample").asInt()) : otherwise.filter;
            return new PictureInput(
                    width,
                    height,
                    filter,
                    numbers(config.path("image_mean"), otherwise.mean),
                    numbers(config.path("image_std"), otherwise.deviation));
        } catch (IOException e) {
            throw new TrainerException(Reason.InvalidConfiguration, file + " must be JSON: " + e.getMessage(), e);
        }
    }

    private static float[] numbers(JsonNode array, float[] otherwise) {
        if (array.size() != 3) {
            return otherwise;
        }
        return new float[] {
            (float) array.get(0).asDouble(),
            (float) array.get(1).asDouble(),
            (float) array.get(2).asDouble()
        };
    }

    /**
     * The picture as (3, height, width), red first.
     *
     * @param bgr 8 bits and three channels, which stays the caller's
     */
    public float[] of(Mat bgr) {
        Mat scaled = PillowResize.resize(bgr, width, height, filter);
        int plane = width * height;
        byte[] bytes = new byte[3 * plane];
        scaled.get(0, 0, bytes);
        scaled.release();
        float[] values = new float[3 * plane];
        for (int c = 0; c < 3; c++) {
            for (int i = 0; i < plane; i++) {
                values[c * plane + i] = ((bytes[3 * i + 2 - c] & 0xff) / 255f - mean[c]) / deviation[c];
            }
        }
        return values;
    }
}
