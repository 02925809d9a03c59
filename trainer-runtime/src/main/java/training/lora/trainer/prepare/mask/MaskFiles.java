package training.lora.trainer.prepare.mask;

import java.util.List;
import training.lora.api.MaskSource;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.DataFiles;
import training.lora.trainer.prepare.picture.Item;

/** The files of masks beside the pictures. */
public final class MaskFiles {
    private MaskFiles() {}

    /**
     * Every data set must have a mask for each of its pictures or for none, and one at least must have them, where masks are
     * files.
     *
     * @throws TrainerException InvalidData, with every picture that has none
     */
    public static void check(MaskSource source, List<Item> items) {
        if (source != MaskSource.Files) {
            return;
        }
        List<String> without = items.stream()
                .filter(item -> item.mask() == null)
                .filter(item -> items.stream()
                        .anyMatch(o -> o.mask() != null && o.dataset().equals(item.dataset())))
                .map(Item::name)
                .toList();
        if (!without.isEmpty()) {
            throw new TrainerException(
                    Reason.InvalidData,
                    "each picture of a data set with masks must have one, NAME%s.png beside it, but these have none: %s"
                            .formatted(DataFiles.MASK, String.join(", ", without)));
        }
        if (items.stream().allMatch(item -> item.mask() == null)) {
            throw new TrainerException(
                    Reason.InvalidData,
                    "`spec.preparation.mask.source` is Files, so that pictures must have masks, NAME%s.png beside them, but none has one"
                            .formatted(DataFiles.MASK));
        }
    }
}
