package training.lora.trainer.train;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import training.lora.api.Json;

/** What src/test/goldens/training_goldens.py made. */
public final class TrainingGoldens {
    private static final Path VALUES = Path.of("src/test/resources/training-goldens/values.json");

    private TrainingGoldens() {}

    public static JsonNode values() throws IOException {
        return Json.MAPPER.readTree(VALUES.toFile());
    }

    /** The numbers of an array. */
    public static float[] floats(JsonNode array) {
        float[] values = new float[array.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) array.get(i).asDouble();
        }
        return values;
    }
}
