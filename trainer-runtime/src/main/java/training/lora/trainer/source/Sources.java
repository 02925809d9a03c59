package training.lora.trainer.source;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/**
 * Finds what a uri names.
 *
 * @param bundled folder of what ships with the trainer
 * @param claims folder under which volume claims are mounted by name; null outside a cluster
 * @param relativeTo folder that a plain path starts from; null where plain paths are refused
 */
public record Sources(
        @Nullable Path bundled,
        @Nullable Path claims,
        @Nullable Path relativeTo) {
    private static final String BUNDLED = "bundled://";
    private static final String CLAIM = "pvc://";

    /** From the environment's LORA_BUNDLED and LORA_PVC_ROOT. */
    public static Sources of(Function<String, @Nullable String> environment, @Nullable Path relativeTo) {
        String bundled = environment.apply("LORA_BUNDLED");
        String claims = environment.apply("LORA_PVC_ROOT");
        return new Sources(
                bundled == null ? null : Path.of(bundled), claims == null ? null : Path.of(claims), relativeTo);
    }

    /** The folder that {@code uri}, the value of {@code field}, names. */
    public Path folder(String field, String uri) {
        Path path = path(field, uri);
        if (!Files.isDirectory(path)) {
            throw wrong(field, uri, "must name a folder, but there is none at " + path);
        }
        return path;
    }

    /** The file or folder that {@code uri}, the value of {@code field}, names; it must be there. */
    public Path existing(String field, String uri) {
        Path path = path(field, uri);
        if (!Files.exists(path)) {
            throw wrong(field, uri, "must name a folder or file, but there is none at " + path);
        }
        return path;
    }

    /** The file or folder that {@code uri}, the value of {@code field}, names. */
    public Path path(String field, String uri) {
        if (uri.startsWith(BUNDLED)) {
            if (bundled == null) {
                throw wrong(field, uri, "names what ships with the trainer, but LORA_BUNDLED is not set");
            }
            return below(field, uri, bundled, uri.substring(BUNDLED.length()));
        }
        if (uri.startsWith(CLAIM)) {
            if (claims == null) {
                throw wrong(field, uri, "names a volume claim, which there is only in a cluster; give a path instead");
            }
            return below(field, uri, claims, uri.substring(CLAIM.length()));
        }
        if (uri.contains("://")) {
            throw wrong(field, uri, "must begin with bundled:// or pvc://, or be a path");
        }
        if (relativeTo == null) {
            throw wrong(field, uri, "is a path of some machine, which a pod can't see; use pvc://CLAIM/PATH");
        }
        return relativeTo.resolve(uri).normalize();
    }

    /**
     * The folder that no link below {@code uri} may lead out of: the volume claim, or what ships with the trainer. Who
     * fills a claim is not always who trains on it, and a pod has more files than that claim's. Null for a plain path,
     * whose links are the user's own.
     */
    public @Nullable Path volume(String uri) {
        if (uri.startsWith(BUNDLED)) {
            return bundled;
        }
        if (!uri.startsWith(CLAIM) || claims == null) {
            return null;
        }
        String rest = uri.substring(CLAIM.length());
        return claims.resolve(rest.contains("/") ? rest.substring(0, rest.indexOf('/')) : rest);
    }

    private static Path below(String field, String uri, Path root, String rest) {
        Path path = root.resolve(rest).normalize();
        if (!path.startsWith(root)) {
            throw wrong(field, uri, "must not lead out of its root");
        }
        return path;
    }

    private static TrainerException wrong(String field, String uri, String what) {
        return new TrainerException(Reason.InvalidConfiguration, "`%s` %s: %s".formatted(field, uri, what));
    }
}
