package training.lora.trainer.prepare;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.opencv.core.Mat;
import training.lora.api.DatasetRole;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.prepare.PicturePipeline.PreparedItem;
import training.lora.trainer.prepare.picture.Photo;
import training.lora.trainer.prepare.picture.PictureOptions;
import training.lora.trainer.prepare.picture.UnreadablePictureException;
import training.lora.trainer.prepare.report.PictureMeasures;

/**
 * Sees to it that no validation picture is trained on. Pictures are the same when they decode to the same pixels; those
 * that only look the same may be copies or may not, and are told.
 */
final class HeldOut {
    /** How many pairs are told by name. */
    private static final int NAMED = 5;

    private final PictureOptions options;
    private final List<PreparedItem> trainedOn = new ArrayList<>();
    private final List<PreparedItem> heldOut = new ArrayList<>();
    private final Map<Integer, String> digests = new HashMap<>();

    /**
     * What tells a picture from others.
     *
     * @param measures for the report
     */
    record Seen(Look look, PictureMeasures measures) {
        /** Of a picture, 8-bit BGR. */
        static Seen of(Mat picture) {
            Mat scaled = PictureMeasures.scaled(picture);
            Seen seen = new Seen(Look.of(scaled), PictureMeasures.of(scaled));
            scaled.release();
            return seen;
        }
    }

    /** @param options how the pictures were read */
    HeldOut(PictureOptions options) {
        this.options = options;
    }

    /** Takes note of a picture. */
    void add(PreparedItem item) {
        (item.item().dataset().role() == DatasetRole.Validation ? heldOut : trainedOn).add(item);
    }

    /** Of the pixels, which takes longer than to decode them: only pictures of one look and size are asked for it. */
    private String digest(PreparedItem item) throws IOException {
        String known = digests.get(item.index());
        if (known != null) {
            return known;
        }
        try (Photo photo = Photo.read(item.item().file(), options)) {
            String digest = digest(photo.colour());
            digests.put(item.index(), digest);
            return digest;
        } catch (UnreadablePictureException e) {
            throw new TrainerException(
                    Reason.InvalidData,
                    "every picture must stay as it is while it is read, but %s %s"
                            .formatted(item.item().name(), e.getMessage()),
                    e);
        }
    }

    private boolean isSame(PreparedItem a, PreparedItem b) throws IOException {
        return a.width() == b.width() && a.height() == b.height() && digest(a).equals(digest(b));
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
    @Nullable String check() throws IOException {
        List<String> both = new ArrayList<>();
        List<String> alike = new ArrayList<>();
        for (PreparedItem held : heldOut) {
            PreparedItem like = null;
            PreparedItem same = null;
            for (PreparedItem other : trainedOn) {
                if (held.seen().look().isLike(other.seen().look())) {
                    like = like == null ? other : like;
                    if (isSame(held, other)) {
                        same = other;
                        break;
                    }
                }
            }
            String name = held.item().name();
            if (same != null) {
                both.add(name + " is " + same.item().name());
            } else if (like != null) {
                alike.add(name + " looks like " + like.item().name());
            }
        }
        if (!both.isEmpty()) {
            both.sort(null);
            throw new TrainerException(
                    Reason.InvalidData,
                    "no picture of a Validation data set may be trained on, but " + String.join(", ", both));
        }
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
