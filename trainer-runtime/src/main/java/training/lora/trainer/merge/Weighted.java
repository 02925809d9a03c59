package training.lora.trainer.merge;

import java.nio.file.Path;
import java.util.List;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.adapter.FullDifference;
import training.lora.trainer.export.AdapterFile;

/**
 * An adapter's file and how much of it is taken.
 *
 * @param file the adapter
 * @param share 1 for all of it
 * @param withoutTokens whether embeddings of new tokens that it bundles are left out; else such a file is refused
 */
public record Weighted(Path file, double share, boolean withoutTokens) {
    /** One that must bundle no embeddings. */
    public Weighted(Path file, double share) {
        this(file, share, false);
    }

    /** The same without embeddings that it may bundle. */
    public Weighted leavingTokensOut() {
        return new Weighted(file, share, true);
    }

    /**
     * Looks whether its file is an adapter, before a base model is fetched for it.
     *
     * @throws TrainerException InvalidConfiguration if it can't be read or is something else
     */
    public void requireFile() {
        AdapterFile.require(file);
    }

    /** What is merged of its file, {@code opened}, of which nothing is lost that wasn't to be left out. */
    AdapterFile merged(AdapterFile opened) {
        if (withoutTokens) {
            return opened.withoutTokens();
        }
        if (!opened.tokens().isEmpty()) {
            throw new TrainerException(Reason.InvalidConfiguration, bundling(opened));
        }
        return opened;
    }

    private String bundling(AdapterFile opened) {
        if (opened.modules().isEmpty()) {
            return "%s must hold an adapter, but holds embeddings alone, of %s"
                    .formatted(file, opened.tokens().keySet());
        }
        boolean exported = opened.modules().stream().noneMatch(m -> m.form().kind() instanceof FullDifference);
        return "%s must be without embeddings of new tokens, which what is merged has no place for, but bundles %s: `lora-trainer merge` with --without-embeddings leaves them out%s"
                .formatted(
                        file,
                        opened.tokens().keySet(),
                        exported ? ", and `lora-trainer export` with it writes the adapter without them" : "");
    }

    /**
     * Reads {@code FILE} or {@code FILE=SHARE} of each.
     *
     * @throws TrainerException InvalidConfiguration if a SHARE is no finite number
     */
    public static List<Weighted> parse(List<String> texts) {
        return texts.stream().map(Weighted::parse).toList();
    }

    private static Weighted parse(String text) {
        int equals = text.lastIndexOf('=');
        if (equals < 0 || text.endsWith(".safetensors")) {
            return new Weighted(Path.of(text), 1);
        }
        double share;
        try {
            share = Double.parseDouble(text.substring(equals + 1));
        } catch (NumberFormatException e) {
            share = Double.NaN;
        }
        if (!Double.isFinite(share)) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "--lora must be FILE or FILE=SHARE with a number as its share, was " + text);
        }
        return new Weighted(Path.of(text.substring(0, equals)), share);
    }
}
