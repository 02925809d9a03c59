package training.lora.trainer.source;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/**
 * The Secrets that sources name: a folder with a folder for each, and in it a file for each key, as Kubernetes mounts them.
 *
 * @param folder null where there is none
 * @param inPod whether nothing else can have the keys
 */
public record Secrets(@Nullable Path folder, boolean inPod) {
    /** Those that are read. */
    private static final String KEYS =
            "the keys token, username and password, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";

    /**
     * The keys of the Secret that a source names.
     *
     * @return empty where it names none, and on a laptop where there are no Secrets: then the machine's own credentials count
     * @throws TrainerException InvalidConfiguration if the Secret isn't there
     */
    public Map<String, String> of(Source source) {
        if (source.secret() == null || (folder == null && !inPod)) {
            return Map.of();
        }
        return read(source.beside("secretRef"), source.secret());
    }

    /** The keys of the Secret that {@code field} names. */
    public Map<String, String> read(String field, String name) {
        Path secret = folder == null ? null : folder.resolve(name);
        if (secret == null || !name.matches("[a-z0-9]([-a-z0-9.]*[a-z0-9])?") || !Files.isDirectory(secret)) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`%s` must name a Secret that the run is given, with %s, but there is no %s in %s"
                            .formatted(field, KEYS, name, folder == null ? "LORA_SECRETS, which is not set" : folder));
        }
        Map<String, String> keys = new TreeMap<>();
        try (DirectoryStream<Path> files = Files.newDirectoryStream(secret)) {
            for (Path file : files) {
                String key = file.getFileName().toString();
                if (!key.startsWith(".") && Files.isRegularFile(file)) {
                    keys.put(key, Files.readString(file).strip());
                }
            }
        } catch (IOException e) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`%s` must name a Secret that can be read, but %s can't be".formatted(field, secret),
                    e);
        }
        if (keys.isEmpty()) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`%s` must name a Secret with %s, but %s has none of them".formatted(field, KEYS, name));
        }
        return keys;
    }

    /** That the Secret of a source has other keys than are needed. */
    public TrainerException lacks(Source source, String needed, Map<String, String> keys) {
        return new TrainerException(
                Reason.InvalidConfiguration,
                "`%s` must name a Secret with %s, but %s has %s"
                        .formatted(source.beside("secretRef"), needed, source.secret(), keys.keySet()));
    }

    /** How a token is given to a source of the spec, as in "name a Secret …". */
    String giving(Source source) {
        String field = source.beside("secretRef");
        if (inPod) {
            return "name a Secret with the key token in `%s`".formatted(field);
        }
        return source.secret() != null
                ? "put one into the file %s/%s/token"
                        .formatted(folder == null ? "LORA_SECRETS" : folder, source.secret())
                : "name a Secret in `%s` and put its token into the file LORA_SECRETS/NAME/token".formatted(field);
    }

    /**
     * That a source names a Secret of which this machine has nothing.
     *
     * @param elsewhere what may be set instead, as in "HF_TOKEN must be set, or "; empty for nothing
     */
    public TrainerException nowhere(Source source, String elsewhere) {
        return new TrainerException(
                Reason.InvalidConfiguration,
                "`%s` names the Secret %s, of which this machine knows nothing: %sLORA_SECRETS must name a folder with %s/token"
                        .formatted(source.beside("secretRef"), source.secret(), elsewhere, source.secret()));
    }
}
