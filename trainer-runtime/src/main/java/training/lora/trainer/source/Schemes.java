package training.lora.trainer.source;

import java.io.Closeable;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The schemes of remote uris. One is made when the first uri needs it: what it stands on takes time to load. */
final class Schemes implements Closeable {
    private final Surroundings surroundings;
    private final Map<String, Scheme> made = new HashMap<>();

    Schemes(Surroundings surroundings) {
        this.surroundings = surroundings;
    }

    /**
     * That of a source.
     *
     * @throws training.lora.trainer.TrainerException InvalidConfiguration if there is none
     */
    Scheme of(Source source) {
        String name = source.scheme();
        Scheme known = made.get(name);
        if (known == null) {
            known = make(name);
            if (known == null) {
                throw source.wrong(
                        "must begin with hf://, https://, s3://, bundled:// or pvc://, or be a path outside a cluster");
            }
            made.put(name, known);
        }
        return known;
    }

    private @Nullable Scheme make(String name) {
        return switch (name) {
            case "https", "http" -> new HttpScheme(surroundings);
            case "hf" -> new HubScheme(surroundings);
            case "s3" -> new S3Scheme(surroundings);
            default -> null;
        };
    }

    @Override
    public void close() throws IOException {
        for (Scheme scheme : made.values()) {
            scheme.close();
        }
        made.clear();
    }
}
