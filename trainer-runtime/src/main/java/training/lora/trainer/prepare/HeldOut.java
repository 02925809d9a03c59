package training.lora.trainer.prepare;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.opencv.core.Mat;
import training.lora.api.DatasetRole;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.prepare.report.PictureMeasures;

/**
 * Sees to it that no validation picture is trained on. Pictures are the same when they decode to the same pixels; those
 * that only look the same may be copies or may not, and are told.
 */
final class HeldOut {
    /** How many pairs are told by name. */
    private static final int NAMED = 5;

    private final Map<String, String> trainedOn = new LinkedHashMap<>();
    private final Map<String, String> heldOut = new LinkedHashMap<>();
    private final Map<String, Look> looksTrainedOn = new LinkedHashMap<>();
    private final Map<String, Look> looksHeldOut = new LinkedHashMap<>();

    /**
     * What tells a picture from others.
     *
     * @param digest sha256 over size and pixels; null where nothing is held out that could be compared
     * @param measures for the report
     */
    record Seen(@Nullable String digest, Look look, PictureMeasures measures) {
        /** Of a picture, 8-bit BGR. */
        static Seen of(Mat picture, boolean pixels) {
            return new Seen(pixels ? HeldOut.digest(picture) : null, Look.of(picture), PictureMeasures.of(picture));
        }
    }

    /** Whether pictures must be told apart by their pixels, which takes longer than to decode them. */
    static boolean comparesPixels(List<Item> items) {
        return items.stream().anyMatch(item -> item.dataset().role() == DatasetRole.Validation);
    }

    /** Takes note of a picture. */
    void add(Item item, Seen seen) {
        boolean validation = item.dataset().role() == DatasetRole.Validation;
        if (seen.digest() != null) {
            (validation ? heldOut : trainedOn).putIfAbsent(seen.digest(), item.name());
        }
        (validation ? looksHeldOut : looksTrainedOn).put(item.name(), seen.look());
    }

    /** sha256 over size and pixels. */
    static String digest(Mat picture) {
        Sha256 digest = new Sha256().add(picture.width() + "x" + picture.height() + "\n");
        // A row at a time: a large photo alone would fill Java's heap.
        byte[] row = new byte[Math.toIntExact(picture.width() * picture.elemSize())];
        for (int y = 0; y < picture.height(); y++) {
            picture.get(y, 0, row);
            digest.add(ByteBuffer.wrap(row));
        }
        return digest.hex();
    }

    /**
     * Says which validation pictures look like one that is trained on, in a sentence; null if none does.
     *
     * @throws TrainerException InvalidData, with every picture that is both
     */
    @Nullable String check() {
        List<String> both = new ArrayList<>();
        heldOut.forEach((digest, name) -> {
            String other = trainedOn.get(digest);
            if (other != null) {
                both.add(name + " is " + other);
            }
        });
        if (!both.isEmpty()) {
            both.sort(null);
            throw new TrainerException(
                    Reason.InvalidData,
                    "no picture of a Validation data set may be trained on, but " + String.join(", ", both));
        }
        List<String> alike = new ArrayList<>();
        looksHeldOut.forEach((name, look) -> looksTrainedOn.entrySet().stream()
                .filter(other -> look.isLike(other.getValue()))
                .findFirst()
                .ifPresent(other -> alike.add(name + " looks like " + other.getKey())));
        return alike.isEmpty() ? null : sentence(alike);
    }

    private static String sentence(List<String> alike) {
        int more = alike.size() - NAMED;
        return "the loss on held-out pictures says little of those that are trained on as well, and %s%s"
                .formatted(
                        String.join(", ", alike.subList(0, Math.min(NAMED, alike.size()))),
                        more > 0 ? ", and so do " + more + " more" : "");
    }
}
