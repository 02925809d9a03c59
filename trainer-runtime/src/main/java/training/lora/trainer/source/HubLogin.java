package training.lora.trainer.source;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What is sent to the Hub as credentials: the token of the source's Secret, or on a laptop the one that huggingface_hub would
 * take.
 *
 * @param authorization the header; null without a token
 * @param holder where the token is from, for messages, such as HF_TOKEN
 * @param giving how one is given here, as in "name a Secret …"
 */
record HubLogin(@Nullable String authorization, String holder, String giving) {
    private record Found(String token, String holder) {}

    /** Without a token. */
    static HubLogin none() {
        return new HubLogin(null, "", "");
    }

    static HubLogin of(Surroundings surroundings, Source source) {
        Secrets secrets = surroundings.secrets();
        Map<String, String> keys = secrets.of(source);
        String token = keys.get("token");
        if (token == null && !keys.isEmpty()) {
            throw secrets.lacks(source, "the key token", keys);
        }
        Found found = token != null ? new Found(token, "`" + source.beside("secretRef") + "`") : null;
        if (found == null && !surroundings.inPod()) {
            found = own(surroundings);
        }
        if (found == null && source.secret() != null) {
            throw secrets.nowhere(source, "HF_TOKEN must be set, `hf auth login` have been called, or ");
        }
        String own = surroundings.inPod() ? "" : "set HF_TOKEN, call `hf auth login`";
        String secret = source.option() ? "" : secrets.giving(source);
        String giving = own + (own.isEmpty() || secret.isEmpty() ? "" : ", or ") + secret;
        return found == null
                ? new HubLogin(null, "", giving)
                : new HubLogin("Bearer " + found.token(), found.holder(), giving);
    }

    private static @Nullable Found own(Surroundings surroundings) {
        for (String name : new String[] {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
            String token = surroundings.variable(name);
            if (token != null) {
                return new Found(token, name);
            }
        }
        String named = surroundings.variable("HF_TOKEN_PATH");
        Path home = HubCache.home(surroundings);
        Path file = named != null ? Path.of(named) : home == null ? null : home.resolve("token");
        try {
            String token = file == null || !Files.isRegularFile(file)
                    ? ""
                    : Files.readString(file).strip();
            return token.isEmpty() ? null : new Found(token, file + " (of `hf auth login`)");
        } catch (IOException e) {
            return null;
        }
    }
}
