package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.Pattern;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;
import org.jspecify.annotations.Nullable;

/** An API as OpenAI's, with a model that sees. */
public record CaptionApiSpec(
        @JsonPropertyDescription(
                "Where it is, without /chat/completions. In a cluster the platform may refuse private addresses and http://. Default https://api.openai.com/v1.")
        @Pattern("^https?://[^/?#@\\s]+(/[^?#\\s]*)?$") @Size(max = 500)
        String url,

        @JsonPropertyDescription("The model's name there.") @Required @Size(min = 1, max = 200) String model,

        @JsonPropertyDescription(
                "A Secret with the key, as token. Unset: none. Outside a cluster it is OPENAI_API_KEY of the environment.")
        @Nullable SecretRef secretRef,

        @JsonPropertyDescription("What is asked of each picture. Default: a description in at most 20 words.")
        @Size(max = 4000) String instruction,

        @JsonPropertyDescription(
                "Pictures on one sheet in a call: more cost less, and are seen less sharply. Default 1.")
        @Min(1) @Max(16) Integer picturesPerCall,

        @JsonPropertyDescription("Calls at a time. Default 4.") @Min(1) @Max(64) Integer concurrency,

        @JsonPropertyDescription("How long an answer may take. Default 60.") @Min(1) @Max(3600) Integer timeoutSeconds) {
    public CaptionApiSpec {
        url = orDefault(url, "https://api.openai.com/v1");
        instruction = PlainText.of(orDefault(instruction, ""));
        picturesPerCall = orDefault(picturesPerCall, 1);
        concurrency = orDefault(concurrency, 4);
        timeoutSeconds = orDefault(timeoutSeconds, 60);
    }
}
