import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import javax.imageio.ImageIO;

/** Checks what ./demo left: a line each, `ok …` or `FAILED …`. */
class CheckDemo {
    static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] arguments) {
        Path out = Path.of(arguments[0]);
        check("the manifest is finished", () -> manifest(out).get("finished").asBoolean());
        check("every file has the manifest's size and sha256", () -> {
            for (JsonNode file : manifest(out).get("files")) {
                byte[] bytes = Files.readAllBytes(out.resolve(file.get("uri").asText()));
                String digest = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
                if (bytes.length != file.get("sizeBytes").asLong() || !digest.equals(file.get("sha256").asText())) {
                    return false;
                }
            }
            return manifest(out).get("files").size() > 8;
        });
        check("the LoRA is there in both forms", () -> Files.size(out.resolve("blue-ink.safetensors")) > 1_000_000
                && Files.size(out.resolve("diffusers/pytorch_lora_weights.safetensors")) > 1_000_000);
        check("samples.png is a picture", () -> ImageIO.read(out.resolve("samples.png").toFile()).getWidth() > 500);
        check("loss.png is a picture", () -> ImageIO.read(out.resolve("loss.png").toFile()).getWidth() > 300);
        check("run.log is there", () -> Files.size(out.resolve("run.log")) > 100);
        check("the loss over the fixed set fell", () -> {
            JsonNode loss = JSON.readTree(out.resolve("evaluation.json").toFile()).get("fixedSetLoss");
            return loss.get("after").asDouble() < loss.get("before").asDouble();
        });
        check("the best checkpoint is nearer to the style than the base model", () -> {
            JsonNode manifest = manifest(out);
            return metric(manifest.get("best"), "styleAlignment")
                    > metric(manifest.get("base"), "styleAlignment");
        });
    }

    static JsonNode manifest(Path out) throws Exception {
        return JSON.readTree(out.resolve("manifest.json").toFile());
    }

    static double metric(JsonNode checkpoint, String name) {
        for (JsonNode metric : checkpoint.get("metrics")) {
            if (metric.get("name").asText().equals(name)) {
                return metric.get("value").asDouble();
            }
        }
        return Double.NaN;
    }

    interface Condition {
        boolean holds() throws Exception;
    }

    static void check(String what, Condition condition) {
        try {
            System.out.println((condition.holds() ? "ok " : "FAILED ") + what);
        } catch (Exception e) {
            System.out.println("FAILED " + what + ": " + e);
        }
    }
}
