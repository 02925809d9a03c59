package training.lora.trainer.merge;

import java.nio.file.Path;
import java.util.List;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/**
 * An adapter's file and how much of it is taken.
 *
 * @param file the adapter
 * @param share 1 for all of it
 */
public record Weighted(Path file, double share) {
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
