package training.lora.trainer.prepare.caption;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.SecretRef;
import training.lora.trainer.source.Surroundings;

/** Whose key is sent to an API. */
class ChatAccessTest {
    private static final SecretRef SECRET = new SecretRef("seer");

    @TempDir
    Path secrets;

    private static @Nullable String key(@Nullable SecretRef secret, Map<String, String> variables) {
        return ChatAccessBuilder.builder()
                .field("spec.preparation.captions.api")
                .url("https://anybody.example/v1")
                .model("seer")
                .timeoutSeconds(9)
                .secretRef(secret)
                .build()
                .key(new Surroundings(variables::get, () -> false));
    }

    @Test
    void theKeyOfAPodsEnvironmentIsForNobodysUrl() throws IOException {
        Files.writeString(Files.createDirectories(secrets.resolve("seer")).resolve("token"), "of the Secret\n");
        Map<String, String> pod = Map.of(
                "OPENAI_API_KEY", "the platform's", "LORA_PVC_ROOT", "/claims", "LORA_SECRETS", secrets.toString());

        assertThat(key(null, Map.of("OPENAI_API_KEY", "the platform's", "LORA_PVC_ROOT", "/claims")))
                .isNull();
        assertThat(key(null, pod)).isNull();
        assertThat(key(SECRET, pod)).isEqualTo("of the Secret");
    }

    @Test
    void onALaptopTheEnvironmentHasTheKeyUnlessASecretDoes() throws IOException {
        Files.writeString(Files.createDirectories(secrets.resolve("seer")).resolve("OPENAI_API_KEY"), "of the Secret");
        Map<String, String> laptop = Map.of("OPENAI_API_KEY", "mine");

        assertThat(key(null, laptop)).isEqualTo("mine");
        assertThat(key(SECRET, laptop)).isEqualTo("mine");
        assertThat(key(null, Map.of())).isNull();
        assertThat(key(SECRET, Map.of("OPENAI_API_KEY", "mine", "LORA_SECRETS", secrets.toString())))
                .isEqualTo("of the Secret");
    }
}
