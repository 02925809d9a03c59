package training.lora.trainer.convert;

import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * Where the paths of a configuration lead. These tools take a relative path from the folder in which they were started.
 *
 * @param from that folder, absolute
 * @param unknown why that folder isn't known, so that no relative path is read; null where it is known
 * @param to the folder of the file that the resource stands in, absolute: its paths begin there
 */
public record Places(Path from, @Nullable String unknown, Path to) {
    private static final String REMOTE = "(?is)(https?|hf|s3|pvc|bundled)://.*";

    /** Names of repositories on the Hugging Face Hub. */
    private static final String REPOSITORY = "[A-Za-z0-9._-]+/[A-Za-z0-9._-]+";

    private static final String FILE = "(?i).*\\.(safetensors|ckpt|pt|pth|bin)";

    /** Places of a known folder. */
    public Places(Path from, Path to) {
        this(from, null, to);
    }

    /** Whether {@code text} is an address and no path. */
    static boolean isAddress(String text) {
        return text.matches(REMOTE);
    }

    /** Whether {@code text} names a file of a model, and no folder or repository. */
    static boolean isModelFile(String text) {
        return text.matches(FILE);
    }

    /**
     * A path or an address as a field has it.
     *
     * @param key the option, for messages
     */
    String uri(Findings findings, String key, String text) {
        if (isAddress(text)) {
            return text;
        }
        Path path = path(findings, key, text);
        if (Path.of(text).isAbsolute()) {
            return path.toString();
        }
        String relative = to.relativize(path).toString();
        return relative.isEmpty() ? "." : relative;
    }

    /** The same of what is read, which is said where it isn't there. */
    String input(Findings findings, String key, String text) {
        String uri = uri(findings, key, text);
        if (!isAddress(text) && !Files.exists(path(findings, key, text))) {
            findings.missing(key, text);
        }
        return uri;
    }

    /** A base model: a path that exists, or else a repository of the Hub, as these tools read it. */
    String model(Findings findings, String key, String text) {
        if (isAddress(text) || !text.matches(REPOSITORY) || isModelFile(text)) {
            return input(findings, key, text);
        }
        if (unknown != null) {
            findings.note("`%s` %s is taken as a repository of the Hub, for %s".formatted(key, text, unknown));
        } else if (Files.exists(path(findings, key, text))) {
            return input(findings, key, text);
        }
        return "hf://" + text;
    }

    /** The file that {@code text} names. */
    Path path(Findings findings, String key, String text) {
        if (text.contains(":")) {
            throw findings.invalid(
                    "`%s` must be a path without a colon, or an address, was \"%s\"".formatted(key, text));
        }
        try {
            if (unknown != null && !Path.of(text).isAbsolute()) {
                throw findings.invalid(
                        "`%s` must be an absolute path, for %s, was \"%s\"".formatted(key, unknown, text));
            }
            return from.resolve(text).normalize();
        } catch (InvalidPathException e) {
            throw findings.invalid("`%s` must be a path, was \"%s\"".formatted(key, text));
        }
    }
}
