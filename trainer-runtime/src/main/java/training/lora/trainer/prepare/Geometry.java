package training.lora.trainer.prepare;

import java.io.IOException;
import java.util.Collections;
import java.util.List;
import training.lora.api.LoraTrainingSpec;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.prepare.augment.Copies;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.prepare.place.CentreCrop;
import training.lora.trainer.prepare.place.Placement;
import training.lora.trainer.prepare.place.Placements;

/**
 * Where pictures are cut, and how many are made of each.
 *
 * @param resolution the largest
 */
record Geometry(Placement placement, Copies copies, PictureCounts counts, int resolution) {
    static Geometry of(LoraTrainingSpec spec, List<Item> items, StableDiffusion model) throws IOException {
        Copies copies = Copies.of(items, spec.preparation(), spec.training().seed());
        PictureCounts counts = new PictureCounts(spec, copies);
        counts.require(items);
        List<Integer> resolutions = Placements.resolutions(spec.preparation(), model.resolution());
        Placement placement = Placements.of(spec.preparation(), resolutions, items);
        return new Geometry(placement, copies, counts, Collections.max(resolutions));
    }

    /** Whether each item is one picture of one size, so that the run's length is known before they are made. */
    boolean plain() {
        return placement instanceof CentreCrop && !copies.any();
    }
}
