package training.lora.trainer.prepare;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.opencv.core.Mat;
import training.lora.api.DatasetRole;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.Sha256;

/** Sees to it that no validation picture is trained on. Pictures are the same when they decode to the same pixels. */
final class HeldOut {
    private final Map<String, String> trainedOn = new HashMap<>();
    private final Map<String, String> heldOut = new HashMap<>();

    /** Takes note of a picture, 8-bit BGR. */
    void add(RawDataset.Item item, Mat picture) {
        Map<String, String> seen = item.dataset().role() == DatasetRole.Validation ? heldOut : trainedOn;
        seen.putIfAbsent(digest(picture), item.name());
    }

    private static String digest(Mat picture) {
        byte[] pixels = new byte[Math.toIntExact(picture.total() * picture.elemSize())];
        picture.get(0, 0, pixels);
        return new Sha256()
                .add(picture.width() + "x" + picture.height() + "\n")
                .add(ByteBuffer.wrap(pixels))
                .hex();
    }

    /** @throws TrainerException InvalidData, with every picture that is both */
    void check() {
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
    }
}
