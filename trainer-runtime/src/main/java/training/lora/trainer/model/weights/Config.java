package training.lora.trainer.model.weights;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/** A config.json, read strictly: what is missing or of another kind is refused by name and value. */
public final class Config {
    private final String file;
    private final JsonNode node;

    private Config(String file, JsonNode node) {
        this.file = file;
        this.node = node;
    }

    /** Of {@code node}, which came from {@code name}. */
    public static Config of(String name, JsonNode node) {
        return new Config(name, node);
    }

    public static Config read(Path path) {
        if (!Files.isRegularFile(path)) {
            throw new TrainerException(
                    Reason.InvalidBaseModel, path + " must be there: the model is a diffusers folder");
        }
        try {
            return new Config(path.toString(), Json.MAPPER.readTree(path.toFile()));
        } catch (JsonProcessingException e) {
            throw new TrainerException(Reason.InvalidBaseModel, path + " must be JSON: " + Json.problem(e), e);
        } catch (IOException e) {
            throw new TrainerException(Reason.InvalidBaseModel, path + " must be readable: " + e.getMessage(), e);
        }
    }

    /** What it was read from. */
    public String name() {
        return file;
    }

    public Config child(String key) {
        if (!node.path(key).isObject()) {
            throw wrong(key, "an object");
        }
        return new Config(file + "#" + key, node.get(key));
    }

    public boolean has(String key) {
        return node.hasNonNull(key);
    }

    public int integer(String key) {
        if (!node.path(key).isIntegralNumber()) {
            throw wrong(key, "a whole number");
        }
        return node.get(key).asInt();
    }

    public int integer(String key, int otherwise) {
        return has(key) ? integer(key) : otherwise;
    }

    public double number(String key, double otherwise) {
        if (has(key) && !node.get(key).isNumber()) {
            throw wrong(key, "a number");
        }
        return has(key) ? node.get(key).asDouble() : otherwise;
    }

    public boolean flag(String key, boolean otherwise) {
        return has(key) ? node.get(key).asBoolean() : otherwise;
    }

    public String text(String key, String otherwise) {
        return has(key) ? node.get(key).asText() : otherwise;
    }

    public int[] integers(String key) {
        if (!node.path(key).isArray() || node.get(key).isEmpty()) {
            throw wrong(key, "a list of whole numbers");
        }
        int[] values = new int[node.get(key).size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = node.get(key).get(i).asInt();
        }
        return values;
    }

    /** One number for all, or a list of {@code count}. */
    public int[] integers(String key, int count, int otherwise) {
        int[] values;
        if (node.path(key).isArray()) {
            values = integers(key);
        } else {
            values = new int[count];
            java.util.Arrays.fill(values, integer(key, otherwise));
        }
        if (values.length != count) {
            throw wrong(key, "a number or a list of " + count);
        }
        return values;
    }

    public List<String> texts(String key) {
        List<String> values = new ArrayList<>();
        node.path(key).forEach(v -> values.add(v.asText()));
        if (values.isEmpty()) {
            throw wrong(key, "a list of names");
        }
        return values;
    }

    /** Refuses a setting that this code doesn't implement, unless it is absent or has the one value it does. */
    public void mustBe(String key, Object value) {
        if (!has(key)) {
            return;
        }
        JsonNode actual = node.get(key);
        // 1 and 1.0 are the same setting.
        boolean same = value instanceof Number number && actual.isNumber()
                ? actual.asDouble() == number.doubleValue()
                : actual.asText().equals(value.toString());
        if (!same) {
            throw wrong(key, String.valueOf(value));
        }
    }

    /** Refuses a setting that this code doesn't implement. */
    public void mustBeAbsent(String key) {
        if (has(key)) {
            throw wrong(key, "null");
        }
    }

    public TrainerException wrong(String key, String what) {
        String found = node.has(key) ? "was " + node.get(key) : "but is missing";
        return new TrainerException(
                Reason.InvalidBaseModel, "`%s` in %s must be %s, %s".formatted(key, file, what, found));
    }
}
