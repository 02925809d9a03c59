package training.lora.trainer.prepare.caption;

import io.soabase.recordbuilder.core.RecordBuilder;
import java.net.URI;
import java.time.Duration;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.api.Reason;
import training.lora.api.SecretRef;
import training.lora.trainer.TrainerException;
import training.lora.trainer.http.Http;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.source.Surroundings;

/**
 * A field that names an API of chat completions, and how a stage gets at it.
 *
 * @param field that has all of this
 * @param url that {@code /chat/completions} follows
 * @param model its name there
 * @param timeoutSeconds how long it may be silent
 * @param secretRef the Secret with its key; null for none
 */
@RecordBuilder
public record ChatAccess(
        String field,
        String url,
        String model,
        int timeoutSeconds,
        @Nullable SecretRef secretRef) {
    private static final int ATTEMPTS = 6;

    private static final String KEY = "OPENAI_API_KEY";

    /** What a stage asks by. The caller closes it. */
    public static Http http(RunContext context) {
        return new Http(context.surroundings()::variable, context.surroundings().guard(), context.stopping());
    }

    /** Gets at it. */
    public ChatApi open(RunContext context, Http http) {
        ChatApi.Settings settings = ChatApiSettingsBuilder.builder()
                .field(field)
                .base(base())
                .model(model)
                .patience(Duration.ofSeconds(timeoutSeconds))
                .attempts(ATTEMPTS)
                .key(key(context.surroundings()))
                .build();
        return new ChatApi(settings, http, time -> pause(time, context));
    }

    private URI base() {
        try {
            return URI.create(url);
        } catch (IllegalArgumentException e) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`%s.url` must be a url such as https://api.openai.com/v1, was \"%s\"".formatted(field, url),
                    e);
        }
    }

    /** In a pod the environment is the platform's, whose key is for no url that somebody else names. */
    @Nullable String key(Surroundings surroundings) {
        if (secretRef == null) {
            return surroundings.inPod() ? null : surroundings.variable(KEY);
        }
        if (!surroundings.inPod() && surroundings.variable("LORA_SECRETS") == null) {
            return surroundings.variable(KEY);
        }
        Map<String, String> keys = surroundings.secrets().read(field + ".secretRef", secretRef.name());
        String token = keys.getOrDefault("token", keys.get(KEY));
        if (token == null) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`%s.secretRef` must name a Secret with token, but %s has %s"
                            .formatted(field, secretRef.name(), keys.keySet()));
        }
        return token;
    }

    private void pause(Duration time, RunContext context) {
        String where = "while it waited for `" + field + "`";
        context.stopIfAsked(where);
        long end = System.nanoTime() + time.toNanos();
        while (System.nanoTime() < end) {
            context.stopIfAsked(where);
            try {
                Thread.sleep(Math.max(1, Math.min(200, (end - System.nanoTime()) / 1_000_000)));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("the thread was interrupted", e);
            }
        }
    }
}
