package training.lora.trainer.source;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.TrainerException;

/**
 * Finds the files that sources name: what is on this machine, and what was fetched.
 *
 * @param bundled folder of what ships with the trainer
 * @param claims folder under which volume claims are mounted by name; null outside a cluster
 * @param relativeTo folder that a plain path starts from; null where plain paths are refused
 * @param remote knows what was fetched; null where nothing is
 * @param unpacker opens models that are archives; null where they stay closed
 */
public record Sources(
        @Nullable Path bundled,
        @Nullable Path claims,
        @Nullable Path relativeTo,
        @Nullable Remote remote,
        @Nullable Unpacker unpacker) {
    private static final String BUNDLED = "bundled";
    private static final String CLAIM = "pvc";

    /** From the environment's LORA_BUNDLED and LORA_PVC_ROOT. */
    public static Sources of(Function<String, @Nullable String> environment, @Nullable Path relativeTo) {
        String bundled = environment.apply("LORA_BUNDLED");
        String claims = environment.apply("LORA_PVC_ROOT");
        return new Sources(
                bundled == null ? null : Path.of(bundled),
                claims == null ? null : Path.of(claims),
                relativeTo,
                null,
                null);
    }

    /** The same, with what knows of sources elsewhere and of archives. */
    public Sources with(Remote other, Unpacker opener) {
        return new Sources(bundled, claims, relativeTo, other, opener);
    }

    /** The folder that {@code source} names. */
    public Path folder(Source source) {
        Path path = path(source);
        if (!Files.isDirectory(path)) {
            throw wrong(source, "must name a folder, but there is none at " + path + shipped(source));
        }
        return path;
    }

    /** The file or folder that {@code source} names; it must be there. */
    public Path existing(Source source) {
        Path path = path(source);
        if (!Files.exists(path)) {
            throw wrong(source, "must name a folder or file, but there is none at " + path + shipped(source));
        }
        return path;
    }

    /** For a sentence about a name that doesn't ship with the trainer: those that do and can be used as it is meant to be. */
    private String shipped(Source source) {
        if (!source.scheme().equals(BUNDLED) || bundled == null || !Files.isDirectory(bundled)) {
            return "";
        }
        try {
            List<String> fitting = Shipped.fitting(bundled, source);
            return fitting.isEmpty()
                    ? ""
                    : "; what ships with the trainer of this kind is " + String.join(", ", fitting);
        } catch (IOException | UncheckedIOException e) {
            return "";
        }
    }

    /** The file or folder that {@code source} names; of a model in an archive what that holds. */
    public Path path(Source source) {
        Path place = place(source);
        return unpacker == null || source.use() == Use.Dataset ? place : unpacker.opened(source, place);
    }

    /** The file or folder that {@code source} names. */
    public Path place(Source source) {
        return switch (source.scheme()) {
            case BUNDLED -> {
                if (bundled == null) {
                    throw wrong(source, "names what ships with the trainer, but LORA_BUNDLED is not set");
                }
                yield below(source, bundled);
            }
            case CLAIM -> {
                if (claims == null) {
                    throw wrong(source, "names a volume claim, which there is only in a cluster; give a path instead");
                }
                yield below(source, claims);
            }
            case "" -> {
                if (relativeTo == null) {
                    throw wrong(source, "is a path of some machine, which a pod can't see; use pvc://CLAIM/PATH");
                }
                yield relativeTo.resolve(source.uri()).normalize();
            }
            default -> {
                if (remote == null) {
                    throw wrong(source, "must begin with bundled:// or pvc://, or be a path");
                }
                yield remote.path(source);
            }
        };
    }

    /**
     * {@code message} with the names of the spec in the place of paths of this machine: of the cache, of what was unpacked,
     * of where claims are mounted. Plain paths stay.
     *
     * @param named what the spec names
     */
    public String asWritten(String message, List<Source> named) {
        String told = message;
        for (Source source : named) {
            Path place = here(source);
            Path opened = place == null || unpacker == null ? null : unpacker.unpacked(place);
            if (opened != null) {
                told = replaced(told, opened, source);
            }
            if (place != null && !source.scheme().isEmpty()) {
                told = replaced(told, place, source);
            }
        }
        return told;
    }

    private @Nullable Path here(Source source) {
        try {
            return !source.remote() ? place(source) : remote == null ? null : remote.fetched(source);
        } catch (TrainerException e) {
            return null;
        }
    }

    /** A file below it stands after a colon, and is relative to it. */
    public static String replaced(String message, Path path, Source source) {
        return message.replace(path + "/", source + ": ").replace(path.toString(), source.toString());
    }

    /** What people should know of what was fetched, a sentence each. */
    public List<String> notes() {
        return remote == null ? List.of() : remote.notes();
    }

    /**
     * What tells today's content of a source that is elsewhere from another; null where nothing does.
     *
     * @throws TrainerException if it can't be asked
     */
    public @Nullable String fingerprint(Source source) {
        return remote == null ? null : remote.fingerprint(source);
    }

    /**
     * The folder that no link below a source may lead out of: the volume claim, what ships with the trainer, or the cache.
     * Who fills a claim is not always who trains on it, and a pod has more files than that claim's. Null for a plain path,
     * whose links are the user's own.
     */
    public @Nullable Path volume(Source source) {
        return switch (source.scheme()) {
            case "" -> null;
            case BUNDLED -> bundled;
            case CLAIM -> claims == null ? null : claims.resolve(rest(source).replaceFirst("/.*", ""));
            default -> remote == null ? null : remote.root();
        };
    }

    private static String rest(Source source) {
        return source.uri().substring(source.scheme().length() + "://".length());
    }

    private static Path below(Source source, Path root) {
        Path path = root.resolve(rest(source)).normalize();
        if (!path.startsWith(root)) {
            throw wrong(source, "must not lead out of its root");
        }
        return path;
    }

    private static TrainerException wrong(Source source, String what) {
        return new TrainerException(
                training.lora.api.Reason.InvalidConfiguration,
                "`%s` %s: %s".formatted(source.field(), source.shown(), what));
    }
}
