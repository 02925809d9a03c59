package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.Pattern;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;
import org.jspecify.annotations.Nullable;

/** A language model behind an API as OpenAI's. It is sent captions, and no pictures. */
public record LanguageSpec(
        @JsonPropertyDescription(
                "Where it is, without /chat/completions. In a cluster the platform may refuse private addresses and http://. Default https://api.openai.com/v1.")
        @Pattern("^https?://[^/?#@\\s]+(/[^?#\\s]*)?$") @Size(max = 500)
        String url,

        @JsonPropertyDescription("The model's name there.") @Required @Size(min = 1, max = 200) String model,

        @JsonPropertyDescription(
                "A Secret with the key, as token. Unset: none. Outside a cluster it is OPENAI_API_KEY of the environment.")
        @Nullable SecretRef secretRef,

        @JsonPropertyDescription("Words of a rewritten caption that it is asked for at most. Default 20.")
        @Min(5) @Max(100) Integer maxWords,

        @JsonPropertyDescription("Calls at a time. Default 4.") @Min(1) @Max(64) Integer concurrency,

        @JsonPropertyDescription("How long an answer may take. Default 120.") @Min(1) @Max(3600) Integer timeoutSeconds) {
    public LanguageSpec {
        url = orDefault(url, "https://api.openai.com/v1");
        maxWords = orDefault(maxWords, 20);
        concurrency = orDefault(concurrency, 4);
        timeoutSeconds = orDefault(timeoutSeconds, 120);
    }
}
