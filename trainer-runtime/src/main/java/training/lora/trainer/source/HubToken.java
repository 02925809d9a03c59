package training.lora.trainer.source;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The token for the Hub: that of the source's Secret, or on a laptop the one that huggingface_hub would take. */
record HubToken(Surroundings surroundings) {
    /** The header Authorization; null without a token. */
    @Nullable String authorization(Source source) {
        Secrets secrets = surroundings.secrets();
        Map<String, String> keys = secrets.of(source);
        String token = keys.get("token");
        if (token == null && !keys.isEmpty()) {
            throw secrets.lacks(source, "the key token", keys);
        }
        if (token == null && !surroundings.inPod()) {
            token = own();
        }
        if (token == null && source.secret() != null) {
            throw secrets.nowhere(source, "HF_TOKEN must be set, `hf auth login` have been called, or ");
        }
        return token == null ? null : "Bearer " + token;
    }

    private @Nullable String own() {
        for (String name : new String[] {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
            String token = surroundings.variable(name);
            if (token != null) {
                return token;
            }
        }
        String named = surroundings.variable("HF_TOKEN_PATH");
        Path home = HubCache.home(surroundings);
        Path file = named != null ? Path.of(named) : home == null ? null : home.resolve("token");
        try {
            String token = file == null || !Files.isRegularFile(file)
                    ? ""
                    : Files.readString(file).strip();
            return token.isEmpty() ? null : token;
        } catch (IOException e) {
            return null;
        }
    }
}
